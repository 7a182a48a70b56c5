package prom

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"albatross/internal/api"
	"albatross/internal/paths"
	"albatross/internal/stats/sample"
	"albatross/internal/version"
)

// maxAge is how old a sample may be that is shown: enough for several clients that
// ask at the same time. Rates of what was sampled at other times than Prometheus
// thinks would be wrong.
const maxAge = 100 * time.Millisecond

// Sampler is the statistics daemon.
type Sampler interface {
	Readings(readings []sample.Reading, maxAge time.Duration) []sample.Reading
	Connections() api.Connections
	Took() time.Duration
}

// Exporter has all that is shown.
type Exporter struct {
	Tmp     paths.Tmp
	Sampler Sampler
	// Ask asks the daemon of a socket for its metrics.
	Ask func(ctx context.Context, socket string) (api.Metrics, error)
	// Dropped returns how many lines InfluxDB was not told; nil: it is told nothing.
	Dropped func() uint64
	Started time.Time

	pages   atomic.Int32  // that are being made
	scratch sync.Pool     // of *scratch
	stall   time.Duration // of a test; 0: stallTime
}

// scratch is the memory of one page, which is used again for the next.
type scratch struct {
	readings []sample.Reading
	buffer   sample.Buffer
}

// snapshot is what one page shows.
type snapshot struct {
	readings []sample.Reading
	daemons  []daemon
	host     *api.HostMetrics // nil: albatrossd does not answer
}

// gather asks everybody at once, so that one who does not answer costs Prometheus
// his own metrics and not all. The snapshot lies in m.
func (e *Exporter) gather(ctx context.Context, m *scratch) snapshot {
	var vmmd, console answer
	var asked sync.WaitGroup
	asked.Go(func() { vmmd = e.ask(ctx, e.Tmp.VMMD()) })
	asked.Go(func() { console = e.ask(ctx, e.Tmp.Console()) })
	m.readings = e.Sampler.Readings(m.readings[:0], maxAge)
	asked.Wait()
	s := snapshot{readings: m.readings, host: vmmd.Host}
	s.daemons = append(s.daemons, m.daemon("albatrossd", vmmd), m.daemon("albatross-console", console))
	for _, other := range vmmd.Others {
		d := daemon{name: other.Name, process: m.process(other.PID)}
		d.up = d.process != nil
		s.daemons = append(s.daemons, d)
	}
	s.daemons = append(s.daemons, daemon{
		name: "albatross-stats", up: true, version: version.Version, started: e.Started,
		connections: map[string]api.Connections{api.ConnUnix: e.Sampler.Connections()}, process: m.process(os.Getpid()),
	})
	return s
}

// answer is what a daemon has told, if it did.
type answer struct {
	api.Metrics
	up bool
}

func (e *Exporter) ask(ctx context.Context, socket string) answer {
	m, err := e.Ask(ctx, socket)
	if err != nil {
		return answer{}
	}
	return answer{m, true}
}

// daemon describes one that was asked.
func (s *scratch) daemon(name string, m answer) daemon {
	return daemon{name: name, up: m.up, version: m.Version, started: m.Started, connections: m.Connections, endpoint: m.Endpoint, process: s.process(m.PID)}
}

// process samples a daemon by its number, which a daemon has just told, or told
// of one that runs. It is nil if there is none.
func (s *scratch) process(pid int) *sample.Sample {
	if pid <= 0 {
		return nil
	}
	p, err := sample.Find(&s.buffer, pid, nil)
	if err != nil {
		return nil
	}
	defer func() { _ = p.Close() }() // it was only read
	is := new(sample.Sample)
	if err := p.Read(&s.buffer, is); err != nil {
		return nil
	}
	return is
}
