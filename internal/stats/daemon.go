package stats

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"albatross/internal/api"
	"albatross/internal/metrics"
	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/stats/sample"
	"albatross/internal/vm"
)

// DefaultInterval is the time between samples; Albatross's.
const DefaultInterval = 10 * time.Second

// maxConns is how many clients there may be at a time.
const maxConns = 512

// Daemon is the statistics daemon.
type Daemon struct {
	log      *slog.Logger
	tmp      paths.Tmp
	interval time.Duration
	second   time.Duration // one, but in tests

	// Push, if set before Serve, is called every interval with a sample of each
	// unikernel, which it may not keep. It must not wait for anything.
	Push func([]sample.Reading)

	handed      int            // descriptors that albatrossd may hand over
	budget      *sample.Budget // of other descriptors that samples take
	connections metrics.Connections
	took        atomic.Int64 // nanoseconds of the last round that took samples

	mu          sync.Mutex // guards what follows
	targets     map[vm.Name]*target
	subscribers map[vm.Name]*subscriber
	watchers    map[*watcher]bool

	rounds  sync.Mutex // guards what follows
	buffer  sample.Buffer
	network *sample.Network // nil until one has a tap, or if it cannot be had
	blind   bool            // the log was told that it cannot be had
}

// New returns a daemon that samples at this interval, above 0, what the albatrossd
// below tmp tells it to.
func New(log *slog.Logger, tmp paths.Tmp, interval time.Duration) *Daemon {
	handed, others := shares(mostDescriptors())
	return &Daemon{
		handed: handed, budget: sample.NewBudget(others),
		log: log, tmp: tmp, interval: interval, second: time.Second,
		targets: map[vm.Name]*target{}, subscribers: map[vm.Name]*subscriber{}, watchers: map[*watcher]bool{},
	}
}

// Serve answers on l, follows albatrossd and samples until ctx ends. A Daemon
// serves once.
func (d *Daemon) Serve(ctx context.Context, l *net.UnixListener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer d.close()
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { d.followVMMD(ctx) })
	wg.Go(func() { d.run(ctx) })
	wg.Go(func() { d.runWatched(ctx) })
	return server.Serve(ctx, d.log, l, server.Options{
		Daemon: "albatross-stats", Verbs: []string{api.VerbSamples}, MaxConns: maxConns,
		Metrics: func(*api.Metrics) {}, Connections: &d.connections,
	}, d)
}

// close closes what is sampled.
func (d *Daemon) close() {
	d.mu.Lock()
	targets := d.targets
	d.targets = map[vm.Name]*target{}
	d.mu.Unlock()
	for _, t := range targets {
		t.close()
	}
	d.rounds.Lock()
	defer d.rounds.Unlock()
	_ = d.network.Close() // it was only read
	d.network = nil
}

// Connections counts the clients of the daemon.
func (d *Daemon) Connections() api.Connections { return d.connections.Read() }

// Took returns how long the last round took in which anything was sampled.
func (d *Daemon) Took() time.Duration { return time.Duration(d.took.Load()) }
