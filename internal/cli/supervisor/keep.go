package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"albatross/internal/api"
	"albatross/internal/daemon"
)

// Daemon is a program to keep running.
type Daemon struct {
	Program string   // its name, also of its log and pid file
	Path    string   // of the program
	Args    []string //
	Network string   // of its socket: unix or unixpacket, or tcp
	Socket  string   // a path, or an address

	// Ready asks the daemon anything; nil is that it answers.
	Ready func(context.Context) error
}

// Times of daemons.
const (
	startPatience = 30 * time.Second      // until a daemon answers
	askPatience   = time.Second           // for one attempt
	askAgain      = 10 * time.Millisecond // after a failed one
	endPatience   = 10 * time.Second      // until SIGKILL follows SIGTERM, by default
)

// errLeave ends the keeping of a daemon that was adopted, but not the daemon.
var errLeave = errors.New("the daemon goes on")

// kept is a daemon that is being kept up.
type kept struct {
	Daemon
	s      *Supervisor
	orphan bool                    // it is about to be ended, so not to be started again
	goDown context.CancelCauseFunc // ends the supervisor, with daemon.ErrDown
	first  *process                // the first process, until keep has it
	stop   context.CancelCauseFunc // ends keep
	done   chan struct{}           // closed when keep has ended
}

// find returns the process of d that an earlier supervisor left.
func (s *Supervisor) find(d Daemon) (*process, error) {
	id, err := readPid(s.Dir.pidFile(d.Program))
	if err != nil {
		id, err = listener(d.Network, d.Socket)
	}
	if err != nil {
		return nil, err
	}
	return adopt(id)
}

// launch adopts or starts a daemon and waits until it answers.
func (s *Supervisor) launch(ctx context.Context, d Daemon, goDown context.CancelCauseFunc) (*kept, error) {
	k := &kept{Daemon: d, s: s, goDown: goDown, done: make(chan struct{})}
	var err error
	if k.first, err = s.find(d); err == nil {
		s.say("%s runs already as process %d: it stays", d.Program, k.first.pid)
		err = writePid(s.Dir.pidFile(d.Program), k.first.identity)
	} else {
		k.first, err = s.start(d)
	}
	if err != nil {
		return nil, err
	}
	if err := k.awaitReady(ctx); err != nil {
		k.leave(k.first)
		return nil, err
	}
	keeping, stop := context.WithCancelCause(context.Background())
	k.stop = stop
	go k.keep(keeping)
	return k, nil
}

// start starts the process of a daemon.
func (s *Supervisor) start(d Daemon) (*process, error) {
	log, err := openLog(s.Dir.Log(d.Program))
	if err != nil {
		return nil, s.Dir.Unusable(err)
	}
	p, err := spawn(d.Path, d.Args, s.Env, log)
	if err != nil {
		return nil, err
	}
	if err := writePid(s.Dir.pidFile(d.Program), p.identity); err != nil {
		p.terminate(s.patience())
		return nil, s.Dir.Unusable(err)
	}
	return p, nil
}

// answers asks the daemon once.
func (d Daemon) answers(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, askPatience)
	defer done()
	return d.Ready(ctx)
}

// awaitReady waits until the daemon answers, or has ended.
func (k *kept) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := k.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-k.first.ended:
			return k.startError("it ended with " + k.first.how)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return k.startError(fmt.Sprintf("it does not answer (%v)", err))
		case <-time.After(askAgain):
		}
	}
}

// startError says why a daemon does not start, in its own last words if it left
// any.
func (k *kept) startError(what string) error {
	e := &api.Error{Code: api.Unavailable, Sentence: fmt.Sprintf("%s does not start: %s", k.Program, what)}
	if last := reason(k.first.log.lastLine()); last != "" {
		e.Sentence += ": " + last
	}
	return e.Hinted("its log is %s", k.s.Dir.Log(k.Program))
}

// keep starts the daemon again whenever it ends, until ctx ends; then it ends
// the daemon. One that ended because the host goes down takes all others along.
func (k *kept) keep(ctx context.Context) {
	defer close(k.done)
	var pauses backoff
	p, began := k.first, time.Now()
	for {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errLeave) {
				k.leave(p)
			} else {
				k.end(p)
			}
			return
		case <-p.ended:
		}
		if k.orphan {
			k.cleanUp()
			return
		}
		if p.down {
			k.s.say("%s ended since the host goes down", k.Program)
			k.cleanUp()
			k.goDown(daemon.ErrDown)
			return
		}
		how := p.how
		for p = nil; p == nil; {
			pause := pauses.next(time.Since(began))
			k.s.say("%s ended with %s: starting it again in %v; its log is %s", k.Program, how, pause, k.s.Dir.Log(k.Program))
			select {
			case <-ctx.Done():
				k.cleanUp()
				return
			case <-time.After(pause):
			}
			began = time.Now()
			var err error
			if p, err = k.s.start(k.Daemon); err != nil {
				how = err.Error()
			}
		}
	}
}

// end ends the process and removes what it leaves.
func (k *kept) end(p *process) {
	if patience := k.s.patience(); p.terminate(patience) {
		k.s.say("%s did not end within %v and was killed", k.Program, patience)
	}
	k.cleanUp()
}

// cleanUp removes socket and pid file.
func (k *kept) cleanUp() {
	for _, path := range []string{k.Socket, k.s.Dir.pidFile(k.Program)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			k.s.say("%v", err)
		}
	}
}

// leave ends the process unless it was adopted, which then goes on unwatched.
func (k *kept) leave(p *process) {
	if !p.adopted {
		k.end(p)
		return
	}
	p.release()
	<-p.ended
}
