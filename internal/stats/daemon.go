package stats

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"albatross/internal/paths"
	"albatross/internal/server"
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

	mu          sync.Mutex // guards what follows
	targets     map[vm.Name]*target
	subscribers map[vm.Name]*subscriber
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
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { d.followVMMD(ctx) })
	wg.Go(func() { d.run(ctx) })
	return server.Serve(ctx, d.log, l, server.Options{Daemon: "albatross-stats", MaxConns: maxConns}, d)
}
