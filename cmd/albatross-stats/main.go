// Albatross-stats samples what unikernels use, and shows it to those who ask.
// See albatross/internal/stats.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"albatross/internal/daemon"
	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/stats"
	"albatross/internal/version"
)

func main() {
	os.Exit(daemon.Main("albatross-stats", version.Version, &program{interval: stats.DefaultInterval}))
}

type program struct {
	tmp      string
	interval time.Duration
}

// The shortest interval: /proc counts in hundredths of a second.
const minInterval = 100 * time.Millisecond

func (p *program) Flags(fs *flag.FlagSet) {
	fs.StringVar(&p.tmp, "tmpdir", paths.DefaultTmp, "directory of sockets")
	fs.Func("interval", "time between samples: `seconds`, or with a unit (default 10)", p.setInterval)
}

// setInterval takes a number of seconds, as Albatross does, or what
// [time.ParseDuration] takes.
func (p *program) setInterval(s string) error {
	d, err := time.ParseDuration(s)
	if seconds, nerr := strconv.ParseUint(s, 10, 31); nerr == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil {
		return fmt.Errorf("neither a number of seconds nor a duration such as 500ms")
	}
	if d < minInterval {
		return fmt.Errorf("less than %v", minInterval)
	}
	p.interval = d
	return nil
}

func (p *program) Run(ctx context.Context, log *slog.Logger) error {
	tmp := paths.Tmp(p.tmp)
	if err := tmp.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp.Util(), 0o755); err != nil {
		return fmt.Errorf("directory of sockets: %w", err)
	}
	l, err := server.Listen(tmp.Stats())
	if err != nil {
		return err
	}
	log.Info("ready", "socket", l.Addr(), "interval", p.interval)
	return stats.New(log, tmp, p.interval).Serve(ctx, l)
}
