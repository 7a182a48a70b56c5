package stats

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
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

	// Push, if set before Serve, is called every interval with a sample of each
	// unikernel, which it may not keep. It must not wait for anything.
	Push func([]sample.Reading)

	connections metrics.Connections
	took        atomic.Int64 // nanoseconds of the last round that looked at all targets

	mu          sync.Mutex // guards what follows
	targets     map[vm.Name]*target
	subscribers map[vm.Name]*subscriber

	rounds  sync.Mutex // guards what follows
	buffer  sample.Buffer
	network *sample.Network // nil until one has a tap, or if it cannot be had
}

// New returns a daemon that samples at this interval, above 0, what the albatrossd
// below tmp tells it to.
func New(log *slog.Logger, tmp paths.Tmp, interval time.Duration) *Daemon {
	return &Daemon{
		log: log, tmp: tmp, interval: interval,
		targets: map[vm.Name]*target{}, subscribers: map[vm.Name]*subscriber{},
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
	return server.Serve(ctx, d.log, l, server.Options{
		Daemon: "albatross-stats", MaxConns: maxConns,
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

// Took returns how long the last round took that looked at all unikernels.
func (d *Daemon) Took() time.Duration { return time.Duration(d.took.Load()) }

// Descriptors that are not for what albatrossd hands over: of clients, and two
// for each process that is known by its number only.
const spareDescriptors = 1024

// descriptors returns how many albatrossd may hand over, so that some are left.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	most := int(min(limit.Cur, 1<<20))
	return max(0, min(most-spareDescriptors, most/4*3))
}
