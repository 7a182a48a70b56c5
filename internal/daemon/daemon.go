// Package daemon is what all daemons' mains share: flags, a structured log on
// standard error, and an orderly end.
//
//	main ── Main(Program) ── Flags ── Run(ctx) ── exit code
//	                                    ▲
//	            SIGTERM, SIGINT ── cancel
//
// It needs the standard library only, since the keeper uses it.
package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes of daemons.
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 124 // as Albatross's programs have it
)

// Program is a daemon.
type Program interface {
	// Flags adds the daemon's flags to fs.
	Flags(fs *flag.FlagSet)
	// Run serves until ctx ends, and returns nil then.
	Run(ctx context.Context, log *slog.Logger) error
}

// Main runs a program with the arguments of the process and returns the exit
// code.
func Main(name, version string, p Program) int {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	level := fs.String("log", "info", "how much to log: debug, info, warn or error")
	format := fs.String("log-format", "text", "how to log: text or json")
	showVersion := fs.Bool("version", false, "print the version and exit")
	p.Flags(fs)
	switch err := fs.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return ExitOK
	case err != nil:
		return ExitUsage
	case *showVersion:
		fmt.Println(name, version)
		return ExitOK
	case fs.NArg() > 0:
		fmt.Fprintf(os.Stderr, "%s: unexpected argument %q\n", name, fs.Arg(0))
		return ExitUsage
	}
	log, err := logger(name, *level, *format)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return ExitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := p.Run(ctx, log); err != nil {
		log.Error("cannot go on", "error", err)
		return ExitError
	}
	return ExitOK
}

func logger(name, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log: %w", err)
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, opts)).With("daemon", name), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)).With("daemon", name), nil
	}
	return nil, fmt.Errorf("--log-format: %q is neither text nor json", format)
}
