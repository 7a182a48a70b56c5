package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"albatross/internal/client"
	"albatross/internal/vm"
)

// sampleTable shows one sample of each unikernel.
func (a *app) sampleTable(all []client.Sample) error {
	slices.SortFunc(all, func(x, y client.Sample) int { return strings.Compare(x.Name.Wire(), y.Name.Wire()) })
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "NAME\tCPU TIME\tMEM\tRECEIVED\tSENT\n")
	for _, s := range all {
		received, sent := s.Traffic()
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, seconds(s.CPUTime()), size(s.Memory()), size(received), size(sent))
	}
	return w.Flush()
}

// seconds writes a duration: 0.25s, 12.00s, 3m20s.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
	return span(d)
}

// sampleRows shows samples as they come, beside what came before.
type sampleRows struct {
	app    *app
	before map[vm.Name]pastSample
}

// pastSample is a sample of before.
type pastSample struct {
	client.Sample
	at time.Time
}

func (a *app) newSampleRows() *sampleRows {
	return &sampleRows{app: a, before: map[vm.Name]pastSample{}}
}

// print shows each sample of a round in a line.
func (r *sampleRows) print(round client.Round) error {
	for _, s := range round.Samples {
		first := len(r.before) == 0
		then, known := r.before[s.Name]
		r.before[s.Name] = pastSample{s, round.At}
		var rates client.Rates
		if known {
			rates, known = s.Since(then.Sample, round.At.Sub(then.at))
		}
		var err error
		if r.app.json {
			err = r.app.printJSON(describeSample(s, round.At, rates, known))
		} else {
			err = r.row(s, first, rates, known)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// row shows one sample, and the headings above the first.
func (r *sampleRows) row(s client.Sample, first bool, rates client.Rates, known bool) error {
	const row = "%-24s %6s %10s %10s %10s %10s"
	if first {
		if err := r.app.out.printf(row, "NAME", "CPU", "CPU TIME", "MEM", "RECEIVED", "SENT"); err != nil {
			return err
		}
	}
	busy := unknown
	if known {
		busy = fmt.Sprintf("%.0f%%", 100*rates.CPU)
	}
	received, sent := s.Traffic()
	return r.app.out.printf(row, s.Name, busy, seconds(s.CPUTime()), size(s.Memory()), size(received), size(sent))
}

func describeSample(s client.Sample, at time.Time, rates client.Rates, known bool) jsonSample {
	d := jsonSample{
		Name: s.Name, Time: at.UTC(), MaxRSS: s.Stats.Rusage.MaxRSS << 10, Networks: []jsonTraffic{}, Counters: []jsonCounter{},
		User:   client.Duration(s.Stats.Rusage.UserTime).Microseconds(),
		System: client.Duration(s.Stats.Rusage.SystemTime).Microseconds(),
	}
	if s.Stats.Memory != nil {
		d.RSS = s.Memory()
	}
	if known {
		percent := math.Round(1e4*rates.CPU) / 100
		d.CPU = &percent
	}
	for _, i := range s.Stats.Interfaces {
		d.Networks = append(d.Networks, jsonTraffic{i.Name, i.OutBytes, i.OutPackets, i.InBytes, i.InPackets})
	}
	for _, c := range s.Stats.Counters {
		d.Counters = append(d.Counters, jsonCounter(c))
	}
	return d
}
