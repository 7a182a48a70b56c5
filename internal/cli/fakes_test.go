package cli_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"albatross/internal/api"
	"albatross/internal/client/clienttest"
	"albatross/internal/keeper"
	"albatross/internal/paths"
)

// The daemons here are processes that speak the protocol and run nothing. What
// they do wrong, a file in their database directory or environment says.

// directories are the flags of daemons.
type directories struct {
	tmp paths.Tmp
	db  paths.DB
}

// parse reads the flags and logs that the daemon begins.
func parse(name string, withDB bool) directories {
	fs := flag.NewFlagSet(name, flag.ExitOnError)
	tmp, db := fs.String("tmpdir", "", ""), new(string)
	_ = fs.String("logdir", "", "") // of albatross-console, which keeps nothing here
	if withDB {
		db = fs.String("dbdir", "", "")
	}
	_ = fs.Parse(os.Args[1:]) // ExitOnError
	fmt.Fprintf(os.Stderr, "%s begins as %d\n", name, os.Getpid())
	return directories{paths.Tmp(*tmp), paths.DB(*db)}
}

// serve runs a fake until SIGTERM, which a stubborn one ignores.
func serve(socket string, d clienttest.Daemon) int {
	s, err := clienttest.Listen(socket, d.Serve)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	awaitTerm()
	if err := s.Close(); err != nil {
		return 1
	}
	return 0
}

func awaitTerm() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
}

func fakeVMMD() int {
	d := parse("albatrossd", true)
	if reason, err := os.ReadFile(filepath.Join(string(d.db), "broken")); err == nil {
		fmt.Fprintf(os.Stderr, "cannot go on: %s", reason)
		return 3
	}
	return serve(d.tmp.VMMD(), clienttest.NewHost(api.State{}).Daemon(false))
}

func fakeConsole() int {
	d := parse("albatross-console", false)
	return serve(d.tmp.Console(), clienttest.Consoles{}.Daemon(false))
}

func fakeStats() int {
	d := parse("albatross-stats", false)
	return serve(d.tmp.Stats(), clienttest.Samples{}.Daemon(false))
}

func fakeKeeper() int {
	d := parse("albatross-keeper", false)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	l, err := keeper.Listen(d.tmp.Keeper(), d.tmp.KeeperLock())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := keeper.New(log).Serve(ctx, l); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
