// Albatross-keeper is the parent of all unikernels: it starts what albatrossd
// tells it to, and remembers how each ended. See albatross/internal/keeper.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"

	"albatross/internal/daemon"
	"albatross/internal/keeper"
	"albatross/internal/paths"
	"albatross/internal/version"
)

func main() { os.Exit(daemon.Main("albatross-keeper", version.Version, &program{})) }

type program struct{ tmp string }

func (p *program) Flags(fs *flag.FlagSet) {
	fs.StringVar(&p.tmp, "tmpdir", paths.DefaultTmp, "directory of sockets and FIFOs")
}

func (p *program) Run(ctx context.Context, log *slog.Logger) error {
	if err := keeper.Confine(); err != nil {
		return err
	}
	l, err := keeper.Listen(paths.Tmp(p.tmp).Keeper(), paths.Tmp(p.tmp).KeeperLock())
	if err != nil {
		return err
	}
	log.Info("ready", "socket", l.Addr())
	return keeper.New(log).Serve(ctx, l)
}
