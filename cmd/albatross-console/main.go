// Albatross-console keeps what unikernels print, and shows it to those who ask.
// See albatross/internal/console.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"albatross/internal/console"
	"albatross/internal/console/archive"
	"albatross/internal/daemon"
	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/version"
)

func main() { os.Exit(daemon.Main("albatross-console", version.Version, newProgram())) }

// noLogs is the directory of logs that stands for none.
const noLogs = "none"

const mega = 1 << 20

type program struct {
	tmp    string
	logs   string
	total  int // MB of all logs
	each   int // MB of one
	limits console.Limits
}

func newProgram() *program { return &program{limits: console.DefaultLimits()} }

func (p *program) Flags(fs *flag.FlagSet) {
	fs.StringVar(&p.tmp, "tmpdir", paths.DefaultTmp, "directory of sockets and FIFOs")
	fs.StringVar(&p.logs, "logdir", paths.DefaultConsoleLogs, "directory of what unikernels wrote; none: only the newest lines are kept, in memory")
	fs.IntVar(&p.total, "log-quota", archive.DefaultTotal/mega, "how many MB there may be of all unikernels")
	fs.IntVar(&p.each, "name-quota", archive.DefaultName/mega, "how many MB there may be of one unikernel")
	fs.IntVar(&p.limits.LineBytes, "max-line", p.limits.LineBytes, "how many bytes of a line are kept")
	fs.IntVar(&p.limits.Subscribers, "max-subscribers", p.limits.Subscribers, "how many may follow a console at a time")
}

// check says which flag makes no sense.
func (p *program) check() error {
	const most = 1 << 30 // MB
	switch l := p.limits; {
	case l.Subscribers < 1:
		return fmt.Errorf("--max-subscribers: %d is less than 1", l.Subscribers)
	case l.LineBytes < console.MinLineBytes || l.LineBytes > console.MaxLineBytes:
		return fmt.Errorf("--max-line: %d is not between %d and %d", l.LineBytes, console.MinLineBytes, console.MaxLineBytes)
	case p.each < 1 || p.each > most:
		return fmt.Errorf("--name-quota: %d is not between 1 and %d", p.each, most)
	case p.total < p.each || p.total > most:
		return fmt.Errorf("--log-quota: %d is not between %d, which --name-quota allows one unikernel, and %d", p.total, p.each, most)
	case p.logs == "":
		return fmt.Errorf("--logdir: it is empty; to keep no logs say %s", noLogs)
	}
	return nil
}

func (p *program) Run(ctx context.Context, log *slog.Logger) error {
	if err := p.check(); err != nil {
		return err
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
	d := console.New(log, tmp, p.limits)
	if p.logs != noLogs {
		o := archive.Options{Total: int64(p.total) * mega, Name: int64(p.each) * mega}
		if err := d.KeepLogs(p.logs, o); err != nil {
			return errors.Join(fmt.Errorf("%w: choose another directory with --logdir, or none", err), l.Close())
		}
	}
	log.Info("ready", "socket", l.Addr(), "logs", p.logs)
	return d.Serve(ctx, l)
}
