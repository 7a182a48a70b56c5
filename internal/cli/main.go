package cli

import (
	"context"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Main runs the command line args, without the program's name, and returns the
// exit code. The environment is a list of KEY=VALUE. Terminals are recognised
// among the streams.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Whoever interrupts twice does not want to wait for an orderly end.
	defer context.AfterFunc(ctx, stop)()

	a := &app{in: stdin, env: environment(env), now: time.Now, command: "albatross", asked: new(asked)}
	a.out, a.err = a.terminal(stdout), a.terminal(stderr)
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	c, err := root.ExecuteContextC(ctx)
	if c != nil {
		a.command = c.CommandPath()
	}
	return a.report(err)
}

// app is one run of the command: its surroundings, and the flags that all
// commands have.
type app struct {
	in       io.Reader
	out, err *stream
	env      variables
	now      func() time.Time

	tmpdir  string
	remote  remote
	timeout time.Duration
	json    bool   // of the command that runs, where it has the flag
	command string // what runs, with its name, once that is known
	asked   *asked
}

// variables is an environment.
type variables map[string]string

// list returns the environment as processes are given it.
func (v variables) list() []string {
	all := make([]string, 0, len(v))
	for key, value := range v {
		all = append(all, key+"="+value)
	}
	slices.Sort(all)
	return all
}

// utf8 reports whether the locale is one of UTF-8, by the variable that is first
// for libraries in C.
func (v variables) utf8() bool {
	for _, key := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(v[key]); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}

func environment(list []string) variables {
	vars := make(variables, len(list))
	for _, entry := range list {
		if key, value, ok := strings.Cut(entry, "="); ok {
			vars[key] = value
		}
	}
	return vars
}
