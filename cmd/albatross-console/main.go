// Albatross-console keeps what unikernels print, and shows it to those who ask.
// See albatross/internal/console.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"albatross/internal/console"
	"albatross/internal/daemon"
	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/version"
)

func main() {
	os.Exit(daemon.Main("albatross-console", version.Version, &program{limits: console.DefaultLimits()}))
}

type program struct {
	tmp    string
	limits console.Limits
}

func (p *program) Flags(fs *flag.FlagSet) {
	fs.StringVar(&p.tmp, "tmpdir", paths.DefaultTmp, "directory of sockets and FIFOs")
	fs.IntVar(&p.limits.Subscribers, "max-subscribers", p.limits.Subscribers, "how many may follow a console at a time")
}

func (p *program) Run(ctx context.Context, log *slog.Logger) error {
	if p.limits.Subscribers < 1 {
		return fmt.Errorf("--max-subscribers: %d is less than 1", p.limits.Subscribers)
	}
	tmp := paths.Tmp(p.tmp)
	if err := tmp.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp.Util(), 0o755); err != nil {
		return fmt.Errorf("directory of sockets: %w", err)
	}
	l, err := server.Listen(tmp.Console())
	if err != nil {
		return err
	}
	log.Info("ready", "socket", l.Addr())
	return console.New(log, tmp, p.limits).Serve(ctx, l)
}
