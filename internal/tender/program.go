package tender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"albatross/internal/image"
	"albatross/internal/linux"
)

// Program is a tender as a command.
type Program struct {
	Name   string // begins every message
	Target image.Target

	// Run runs the unikernel, calls its Started right before the first
	// instruction, and returns its exit code; or 1 and why it did not run, or
	// could not go on.
	Run func(ctx context.Context, u *Unikernel) (exit int, err error)
}

// Main does what the command line asks for and returns the exit code. Messages
// go to standard error.
func (p Program) Main(args []string) int {
	// Descriptor 1 or 2 may be a pipe whose reader is gone. That is for the
	// functions that write to them to know, and no reason to die.
	signal.Ignore(syscall.SIGPIPE)
	return p.main(args, stderr{})
}

func (p Program) main(args []string, messages io.Writer) int {
	r := &report{name: p.Name, messages: messages}
	c, err := Parse(args)
	if p.Target == image.TargetHVT {
		r.status = linux.NewFD(c.Status)
	} else if err == nil && (c.KVM != NoFD || c.Status != NoFD) {
		err = usageErrorf("%s and %s are options of albatross-hvt", optKVM, optStatus)
	}
	switch {
	case err != nil:
		return r.refuse(err)
	case c.Action == ShowHelp:
		fmt.Fprint(messages, usage(p.Name))
		return 1
	case c.Action == ShowVersion:
		fmt.Fprint(messages, versions(p.Name))
		return 0
	}
	u, err := Load(c, p.Target)
	if err != nil {
		return r.refuse(err)
	}
	u.ByHand = c.Status == NoFD
	u.started, u.warn = r.started, r.line
	exit, err := p.Run(context.Background(), u)
	if closeErr := u.Close(); closeErr != nil {
		r.line(closeErr.Error())
	}
	if err != nil {
		return r.refuse(err)
	}
	return exit
}

// report says what becomes of a unikernel.
type report struct {
	name     string
	messages io.Writer
	status   *linux.FD
}

// refuse reports why the unikernel does not run, or not any longer, and returns
// the exit code.
func (r *report) refuse(err error) int {
	text := oneLine(err.Error())
	r.line(text)
	var usage *UsageError
	if errors.As(err, &usage) {
		fmt.Fprintf(r.messages, "%s: see %s --help\n", r.name, r.name)
	}
	if r.status.Int() != NoFD { // not given, or closed as the guest runs
		// Nobody is there to be told that nobody listens.
		_, _ = r.status.Write([]byte(text))
		_ = r.status.Close()
	}
	return 1
}

// started reports that the unikernel runs.
func (r *report) started() { _ = r.status.Close() }

func (r *report) line(text string) {
	fmt.Fprintf(r.messages, "%s: %s\n", r.name, oneLine(text))
}

// oneLine makes one line of an error that may be joined from several.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
}

// stderr writes to standard error with single system calls. It may be a
// non-blocking pipe that nobody reads: the poller of package os would wait for
// room, this does not.
type stderr struct{}

func (stderr) Write(p []byte) (int, error) { return linux.NewFD(syscall.Stderr).Write(p) }
