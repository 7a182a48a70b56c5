package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/stats"
	"albatross/internal/stats/prom"
)

// program is albatross-stats.
type program struct {
	tmp     string
	period  time.Duration
	metrics string // address; empty: Prometheus is told nothing
	influx  databases
}

// The shortest period: /proc counts in hundredths of a second.
const minPeriod = 100 * time.Millisecond

// Flags adds the flags of albatross-stats.
func (p *program) Flags(fs *flag.FlagSet) {
	fs.StringVar(&p.tmp, "tmpdir", paths.DefaultTmp, "directory of sockets")
	fs.Func("period", "time between samples: `seconds`, or with a unit (default 10)", p.setPeriod)
	fs.Func("interval", "the same, as Albatross has it: `seconds`", p.setPeriod)
	fs.Func("metrics", "show metrics to Prometheus at this `address`; what is missing of it is that of "+prom.DefaultAddress+" (default: they are not shown)", p.setMetrics)
	p.influx.flags(fs)
}

// setPeriod takes a number of seconds, as Albatross does, or what
// [time.ParseDuration] takes.
func (p *program) setPeriod(s string) error {
	d, err := time.ParseDuration(s)
	if seconds, nerr := strconv.ParseUint(s, 10, 31); nerr == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil {
		return fmt.Errorf("neither a number of seconds nor a duration such as 500ms")
	}
	if d < minPeriod {
		return fmt.Errorf("less than %v", minPeriod)
	}
	p.period = d
	return nil
}

func (p *program) setMetrics(s string) (err error) {
	p.metrics, err = prom.Address(s)
	return err
}

// Run serves until ctx ends.
func (p *program) Run(ctx context.Context, log *slog.Logger) error {
	tmp := paths.Tmp(p.tmp)
	if err := tmp.Check(); err != nil {
		return err
	}
	senders, err := p.influx.senders()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(tmp.Util(), 0o755); err != nil {
		return fmt.Errorf("directory of sockets: %w", err)
	}
	l, err := server.Listen(tmp.Stats())
	if err != nil {
		return err
	}
	d := stats.New(log, tmp, p.period)
	parts := []func(context.Context) error{func(ctx context.Context) error { return d.Serve(ctx, l) }}
	pushers := p.influx.pushers(log, senders)
	for _, pusher := range pushers {
		parts = append(parts, pusher.Run)
	}
	if len(pushers) > 0 {
		d.Push = pushers.push
	}
	show, err := p.show(ctx, log, d, tmp, pushers)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if show != nil {
		parts = append(parts, show)
	}
	log.Info("ready", "socket", l.Addr(), "period", p.period)
	return together(ctx, parts)
}

// show returns what shows metrics, or nil.
func (p *program) show(ctx context.Context, log *slog.Logger, d *stats.Daemon, tmp paths.Tmp, pushers pushers) (func(context.Context) error, error) {
	if p.metrics == "" {
		return nil, nil
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", p.metrics)
	if err != nil {
		return nil, fmt.Errorf("showing metrics: %w: choose another address with --metrics", err)
	}
	e := &prom.Exporter{Tmp: tmp, Sampler: d, Ask: stats.Ask, Started: time.Now()}
	if len(pushers) > 0 {
		e.Dropped = pushers.dropped
	}
	log.Info("metrics are shown", "url", "http://"+l.Addr().String()+"/metrics")
	if public(l.Addr()) {
		log.Warn("whoever reaches this host can read the metrics, which have neither a password nor TLS", "address", l.Addr())
	}
	return func(ctx context.Context) error { return e.Serve(ctx, log, l) }, nil
}

// public reports whether others than this host may connect to an address.
func public(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// together runs parts until all have returned. The first that returns ends the
// others.
func together(ctx context.Context, parts []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() {
			defer cancel()
			errs[i] = part(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
