package legacy

import (
	"context"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"albatross/internal/client"
	"albatross/internal/paths"
)

// Program is the name under which this command line is installed.
const Program = "albatross-client"

// Main runs the command line args, without the program's name, and returns the
// exit code. The environment is a list of KEY=VALUE.
func Main(args []string, stdout, stderr io.Writer, env []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Whoever interrupts twice does not want to wait for an orderly end.
	defer context.AfterFunc(ctx, stop)()
	return run(ctx, args, stdout, stderr, env)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer, env []string) int {
	a := &app{out: stdout, err: stderr, level: levelWarning, temp: "/tmp", tmpdir: paths.DefaultTmp, dbdir: paths.DefaultDB, now: time.Now, target: defaultTarget()}
	for _, entry := range env {
		if dir, ok := strings.CutPrefix(entry, "TMPDIR="); ok && dir != "" {
			a.temp = dir
		}
	}
	return a.exit(a.dispatch(ctx, args))
}

// app is one run of the command: its surroundings, and the options that most
// commands have.
type app struct {
	out, err io.Writer
	level    level
	temp     string // where get and dump write
	now      func() time.Time

	tmpdir string
	dbdir  string
	socket string

	target                // where commands go
	remote *client.Remote // where they go by TLS, or to be signed; nil: to the socket
}

// client returns the way to the daemons.
func (a *app) client() client.Client {
	return client.Client{Tmp: paths.Tmp(a.tmpdir), Program: Program, Plain: true, Socket: a.socket, Remote: a.remote}
}
