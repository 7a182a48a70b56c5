// Package daemon is what all daemons' mains share: flags, a log, and an orderly
// end.
//
//	main ── Main(Program) ── Flags ── Run(ctx) ── exit code
//	                                    ▲
//	            SIGTERM, SIGINT ── cancel
//
//	daemon.go  Main and what programs are    usage.go  --help, and flags that are wrong
//	arguments.go  what a program takes beside its flags
//
// It imports logs, and the standard library only, since the keeper uses it.
package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"albatross/internal/logs"
)

// Exit codes of daemons.
const (
	ExitOK    = 0
	ExitError = 1
	ExitDown  = 3   // the host goes down: not to be started again
	ExitUsage = 124 // as Albatross's programs have it
)

// ErrDown is what Program.Run returns, or wraps, where the daemon ends because
// the host goes down. Whoever keeps daemons running must not start it again.
var ErrDown = errors.New("the host goes down")

// ErrTold is what Program.Run returns where it has said on standard output what
// is wrong, as it was asked to.
var ErrTold = errors.New("something is wrong: see above")

// Program is a daemon.
type Program interface {
	// Flags adds the daemon's flags to fs.
	Flags(fs *flag.FlagSet)
	// Run serves until ctx ends, and returns nil then. ErrDown is no failure.
	Run(ctx context.Context, log *slog.Logger) error
}

// Main runs a program with the arguments of the process and returns the exit
// code.
func Main(name, version string, p Program) int {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // what package flag says has one hyphen
	fs.Usage = func() {}
	var to logging
	to.flags(fs)
	showVersion := fs.Bool("version", false, "print the version and exit")
	p.Flags(fs)
	arguments := argumentsOf(p)
	given, err := parse(fs, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage(fs, arguments...))
		return ExitOK
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %s\n%s: see %s --help\n", name, flagProblem(err), name, name)
		return ExitUsage
	case *showVersion:
		fmt.Println(name, version)
		return ExitOK
	}
	if err := assign(arguments, given); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n%s: see %s --help\n", name, err, name, name)
		return ExitUsage
	}
	// Whoever reads standard error may end before the daemon, which writing there
	// must not kill: with the keeper, unikernels would die. That the signal is
	// ignored would outlive exec; that it is caught does not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	log := logs.New(name, to.format, to.level)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return exitCode(p.Run(ctx, log), log)
}

// exitCode says in the log why a daemon ends that was not asked to.
func exitCode(err error, log *slog.Logger) int {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrTold):
		return ExitError
	case errors.Is(err, ErrDown):
		log.Info("ended", "reason", err)
		return ExitDown
	}
	log.Error("cannot go on", "error", err)
	return ExitError
}

// logging is how a daemon logs.
type logging struct {
	format logs.Format
	level  slog.Level
}

func (l *logging) flags(fs *flag.FlagSet) {
	l.format, l.level = logs.Auto, slog.LevelInfo
	fs.Func("log-format", "the `format` of the log: text, json, journald or auto (default auto: journald where the journal takes standard error, else text)", func(s string) (err error) {
		l.format, err = logs.ParseFormat(s)
		return err
	})
	fs.Func("log-level", "the least `level` that is logged: debug, info, warn or error (default info)", func(s string) (err error) {
		l.level, err = logs.ParseLevel(s)
		return err
	})
}
