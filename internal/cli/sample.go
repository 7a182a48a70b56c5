package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"albatross/internal/client"
	"albatross/internal/vm"
)

// pageSize is in what samples count memory, in bytes.
const pageSize = 4096

// cpuTime is how long a unikernel has computed.
func cpuTime(r vm.Rusage) time.Duration { return duration(r.UserTime) + duration(r.SystemTime) }

func duration(t vm.Timeval) time.Duration {
	return time.Duration(t.Seconds)*time.Second + time.Duration(t.Microseconds)*time.Microsecond
}

// memory is how much a unikernel has: now, if that is told, else at most.
func memory(s vm.Stats) int64 {
	if s.Memory != nil {
		return s.Memory.RSS * pageSize
	}
	return s.Rusage.MaxRSS << 10
}

// traffic is what went through all interfaces of a unikernel, in bytes, seen by
// itself: samples have what the host sees.
func traffic(s vm.Stats) (received, sent int64) {
	for _, i := range s.Interfaces {
		received += i.OutBytes
		sent += i.InBytes
	}
	return received, sent
}

// sampleTable shows one sample of each unikernel.
func (a *app) sampleTable(all []client.Sample) error {
	slices.SortFunc(all, func(x, y client.Sample) int { return strings.Compare(x.Name.Wire(), y.Name.Wire()) })
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "NAME\tCPU TIME\tMEM\tRECEIVED\tSENT\n")
	for _, s := range all {
		received, sent := traffic(s.Stats)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, seconds(cpuTime(s.Stats.Rusage)), size(memory(s.Stats)), size(received), size(sent))
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

// pastSample is what is remembered of a sample.
type pastSample struct {
	at  time.Time // when it came
	cpu time.Duration
}

func (a *app) newSampleRows() *sampleRows {
	return &sampleRows{app: a, before: map[vm.Name]pastSample{}}
}

func (r *sampleRows) print(s client.Sample) error {
	const row = "%-24s %6s %10s %10s %10s %10s"
	if len(r.before) == 0 {
		if err := r.app.out.printf(row, "NAME", "CPU", "CPU TIME", "MEM", "RECEIVED", "SENT"); err != nil {
			return err
		}
	}
	now := pastSample{r.app.now(), cpuTime(s.Stats.Rusage)}
	busy := unknown
	if then, ok := r.before[s.Name]; ok && now.at.After(then.at) && now.cpu >= then.cpu {
		busy = fmt.Sprintf("%.0f%%", 100*float64(now.cpu-then.cpu)/float64(now.at.Sub(then.at)))
	}
	r.before[s.Name] = now
	received, sent := traffic(s.Stats)
	return r.app.out.printf(row, s.Name, busy, seconds(now.cpu), size(memory(s.Stats)), size(received), size(sent))
}

func describeSample(s client.Sample) jsonSample {
	d := jsonSample{
		Name: s.Name, User: duration(s.Stats.Rusage.UserTime).Microseconds(), System: duration(s.Stats.Rusage.SystemTime).Microseconds(),
		MaxRSS: s.Stats.Rusage.MaxRSS << 10, Networks: []jsonTraffic{}, Counters: []jsonCounter{},
	}
	if s.Stats.Memory != nil {
		d.RSS = memory(s.Stats)
	}
	for _, i := range s.Stats.Interfaces {
		d.Networks = append(d.Networks, jsonTraffic{i.Name, i.OutBytes, i.OutPackets, i.InBytes, i.InPackets})
	}
	for _, c := range s.Stats.Counters {
		d.Counters = append(d.Counters, jsonCounter(c))
	}
	return d
}
