package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"albatross/internal/api"
	"albatross/internal/paths"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// DefaultPatience is how long a daemon may make no progress. A forced create
// waits for the unikernel that it replaces.
const DefaultPatience = time.Minute

// Client asks the daemons that share a temporary directory, or those of a remote
// host. Its methods may be called from any goroutine; each makes a connection of its
// own.
type Client struct {
	Tmp      paths.Tmp
	Program  string        // introduces the client to the daemon's log
	Request  string        // what the daemons of this host call what is asked; empty: each connection has a name of its own
	Patience time.Duration // how long a daemon may make no progress; 0: DefaultPatience

	// Plain makes the client speak nothing but Albatross 2.7's protocol: it says
	// no hello, and failures have no code and no hint.
	Plain bool
	// Remote is a host that is asked instead of the daemons of this one; nil:
	// these. It knows Albatross's own commands only.
	Remote *Remote
	// Socket is where every daemon is expected, instead of where those of Tmp
	// listen; empty: there.
	Socket string
}

func (c Client) patience() time.Duration {
	if c.Patience > 0 {
		return c.Patience
	}
	return DefaultPatience
}

// HelloVMMD asks albatrossd who it is. A daemon of Albatross 2.7 gives a
// Welcome without a version.
func (c Client) HelloVMMD(ctx context.Context) (api.Welcome, error) { return c.greet(ctx, vmmd) }

// HelloConsole is HelloVMMD for albatross-console.
func (c Client) HelloConsole(ctx context.Context) (api.Welcome, error) { return c.greet(ctx, console) }

// HelloStats is HelloVMMD for albatross-stats.
func (c Client) HelloStats(ctx context.Context) (api.Welcome, error) { return c.greet(ctx, stats) }

func (c Client) greet(ctx context.Context, s service) (api.Welcome, error) {
	if c.Remote != nil {
		return api.Welcome{Daemon: string(s)}, nil
	}
	x, err := c.open(ctx, s)
	if err != nil {
		return api.Welcome{}, err
	}
	defer x.close()
	if x.welcome == nil {
		return api.Welcome{Daemon: string(s)}, nil
	}
	return *x.welcome, nil
}

// Destroy stops a unikernel and has it forgotten. It returns what the daemon
// says about it.
func (c Client) Destroy(ctx context.Context, n vm.Name) (string, error) {
	return c.text(ctx, n, wire.UnikernelDestroy{})
}

// Restart stops a unikernel and starts it again, with other arguments unless
// they are nil; without CPUs in them the daemon chooses one. It returns what the
// daemon says about it.
func (c Client) Restart(ctx context.Context, n vm.Name, a *vm.Arguments) (string, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return "", err
	}
	defer x.close()
	if a != nil {
		if err := x.takes(*a); err != nil {
			return "", err
		}
	}
	s, err := x.ask(n, wire.UnikernelRestart{Form: wire.ArgumentsCurrent, Arguments: a})
	return x.textOf(s, err)
}

// Info lists the unikernels that run, by Albatross's own command, which says
// less than State: the one that n names, or all below it if it is a path.
func (c Client) Info(ctx context.Context, n vm.Name) ([]wire.Named[vm.Info], error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return nil, err
	}
	defer x.close()
	return x.info(n)
}

// Shutdown stops all unikernels and keeps their records, so that the daemon's
// next start runs them again.
func (c Client) Shutdown(ctx context.Context) (api.Shutdown, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return api.Shutdown{}, err
	}
	defer x.close()
	if !x.knows(api.VerbShutdown) {
		return api.Shutdown{}, x.lacks("stop all unikernels")
	}
	var done api.Shutdown
	return done, x.private(vm.Name{}, api.VerbShutdown, &done)
}

// text asks albatrossd for something that it answers by a sentence.
func (c Client) text(ctx context.Context, n vm.Name, command wire.Command) (string, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return "", err
	}
	defer x.close()
	s, err := x.ask(n, command)
	return x.textOf(s, err)
}

// textOf returns the sentence that is the answer.
func (x *session) textOf(s wire.Success, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if t, ok := s.(wire.ReplyText); ok {
		return t.Text, nil
	}
	return "", unexpected(x.service, s)
}

// private asks by a verb of this project and reads the answer into v.
func (x *session) private(n vm.Name, verb string, v any) error {
	s, err := x.ask(n, wire.Private{Verb: verb, Body: []byte("{}")})
	if err != nil {
		return err
	}
	p, ok := s.(wire.ReplyPrivate)
	if !ok {
		return unexpected(x.service, s)
	}
	if err := json.Unmarshal(p.Body, v); err != nil {
		return x.broken(fmt.Errorf("%w: the answer to %s: %w", wire.ErrMalformed, verb, err))
	}
	return nil
}

// takes says what of a the daemon cannot express: Albatross would close the
// connection because of a restart behaviour, and fail to start a unikernel that is
// to run on no CPU in particular. Which daemon a remote host has, nobody can tell
// before it has acted.
func (x *session) takes(a vm.Arguments) error {
	switch f := a.Fail; {
	case x.welcome != nil, x.remote != nil:
		return nil
	case f.Mode != vm.FailQuit && f.Mode != vm.FailRestart:
		return x.lacks(fmt.Sprintf("be told to %q", f))
	case len(a.CPUs) == 0:
		return x.lacks("choose a CPU")
	}
	return nil
}

// isBroken reports whether err is no answer of a daemon.
func isBroken(err error) bool { return errors.Is(err, ErrBroken) || errors.Is(err, ErrConnect) }
