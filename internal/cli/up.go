package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/cli/supervisor"
	"albatross/internal/paths"
)

// upOptions are the flags of up.
type upOptions struct {
	dir     string
	detach  bool
	report  int // the descriptor on which the starter waits for news; 0: nobody does
	far     afar
	metrics metricsAt
	logging logging
}

func (a *app) upCommand() *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up [flags]",
		Short: "Start the daemons in one directory, for a first try",
		Long: `Up starts the daemons that run unikernels, and keeps them running until it is
interrupted; then it stops the unikernels, and the next up runs them again.
Everything lies in one directory. Root is not needed, but then unikernels have
no networks and all run as you.

It prints the one line that other commands need to find these daemons:

  eval "$(albatross up --detach)"

Where they run already, --detach prints that line once more.

With --remote-ca, clients far away are served whose certificates that CA has
signed, directly or by delegation. What albatross ca create has made is all that
is needed:

  albatross ca create --dir ca && albatross up --remote-ca ca/cacert.pem

With --metrics, Prometheus finds what the daemons and unikernels do and use at
http://ADDRESS:PORT/metrics; "" stands for 127.0.0.1:9107.

Interrupted twice, it leaves daemons and unikernels running; the next up takes
them over, and down ends them.`,
		Args: arguments(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error { return a.up(c.Context(), o) },
	}
	a.dirFlag(c, &o.dir)
	o.far.flags(c)
	o.metrics.flag(c)
	o.logging.flags(c)
	c.Flags().BoolVarP(&o.detach, "detach", "d", false, "return once the daemons answer, and keep them in the background")
	c.Flags().IntVar(&o.report, reportFlag, 0, "")
	_ = c.Flags().MarkHidden(reportFlag) // it exists
	a.jsonFlag(c, "where the sockets are")
	return c
}

// dirFlag gives c the flag --dir.
func (a *app) dirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "dir", a.defaultDir(), "everything of these daemons is in `DIR`")
}

// defaultDir is where the XDG base directory specification has state, or "" for
// users without a home.
func (a *app) defaultDir() string {
	if state := a.env["XDG_STATE_HOME"]; filepath.IsAbs(state) {
		return filepath.Join(state, "albatross")
	}
	if home := a.env["HOME"]; filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "albatross")
	}
	return ""
}

func (a *app) up(ctx context.Context, o upOptions) error {
	if err := cmp.Or(o.logging.check(), o.metrics.check(), o.far.complete()); err != nil {
		return err
	}
	s, err := a.supervisor(o.dir, o.far)
	if err != nil {
		return err
	}
	o.metrics.apply(s.Daemons)
	o.logging.apply(s.Daemons)
	if err := a.locate(s.Daemons); err != nil {
		return err
	}
	if o.detach {
		return a.detach(ctx, s, slices.Concat(o.far.args(), o.metrics.args(), o.logging.args()))
	}
	if !signal.Ignored(syscall.SIGHUP) { // else nohup(1) wants it to go on
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	if o.report > 0 {
		return superviseFor(ctx, s, os.NewFile(uintptr(o.report), "report"))
	}
	s.Show = a.err
	err = s.Run(ctx, func() error {
		if a.out.terminal && a.err.terminal {
			_ = a.err.printf("the daemons run until this is interrupted; in other shells say:") // a convenience
		}
		return a.announce(s.Dir)
	})
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.InUse {
		e.Hint = "use them with: " + export(s.Dir)
	}
	return err
}

// announce prints what other commands need.
func (a *app) announce(dir supervisor.Dir) error {
	if a.json {
		return a.printJSON(jsonUp{Tmp: string(dir.Tmp())})
	}
	return a.out.printf("%s", export(dir))
}

// export is what a shell has to be told for other commands to find the daemons.
func export(dir supervisor.Dir) string {
	return fmt.Sprintf("export %s=%s", paths.TmpEnv, quoted(string(dir.Tmp())))
}

// supervisor returns the supervisor of a directory. The paths of its daemons
// are missing.
func (a *app) supervisor(dir string, far afar) (*supervisor.Supervisor, error) {
	if dir == "" && a.defaultDir() != "" {
		return nil, usage("leave it out, or name a directory", "--dir is empty")
	}
	if dir == "" {
		return nil, usage("", "the environment has no HOME: say where with --dir")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, api.Errorf(api.Invalid, "the directory %s cannot be used: %w", dir, err)
	}
	d := supervisor.Dir(abs)
	return &supervisor.Supervisor{
		Dir:     d,
		Daemons: a.daemons(d, far),
		Env:     a.env.list(),
		Stop:    a.stopUnikernels(d),
		Say:     func(text string) { _ = a.err.printf("%s %s", a.err.paint(yellow, "albatross:"), visible(text)) },
	}, nil
}
