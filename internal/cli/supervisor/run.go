package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"albatross/internal/api"
	"albatross/internal/daemon"
)

// Supervisor keeps daemons running.
type Supervisor struct {
	Dir     Dir
	Daemons []Daemon // in the order of their start
	Env     []string // theirs

	// Stop stops what the daemons run, before they end.
	Stop func(context.Context) error
	// Say tells people what happens. It may be called from several goroutines.
	Say func(text string)
	// Patience is how long a daemon may take to end before it is killed; 0: 10 s.
	Patience time.Duration
	// Show gets what the daemons log, a line at a time; nil: it is not shown.
	Show io.Writer
}

// stopPatience is how long Stop may take: there may be a thousand unikernels.
const stopPatience = time.Minute

// Times of waiting for a lock whose holder is not known.
const (
	lockPatience = 5 * time.Second
	lockPause    = 20 * time.Millisecond
)

func (s *Supervisor) patience() time.Duration {
	if s.Patience > 0 {
		return s.Patience
	}
	return endPatience
}

func (s *Supervisor) say(format string, args ...any) { s.Say(fmt.Sprintf(format, args...)) }

// Run keeps the daemons running until ctx ends or the host goes down, and then
// ends them. It calls ready once all answer. An error is that they could not be
// started.
func (s *Supervisor) Run(ctx context.Context, ready func() error) error {
	if err := s.Dir.Make(); err != nil {
		return err
	}
	l, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = l.release() }() // at the end of the process at the latest
	self, err := identify(os.Getpid())
	if err != nil {
		return err
	}
	if err := writePid(s.Dir.upFile(), self); err != nil {
		return s.Dir.Unusable(err)
	}
	defer s.show()()
	ctx, goDown := context.WithCancelCause(ctx)
	defer goDown(nil)
	all, err := s.launchAll(ctx, goDown)
	if err == nil {
		err = ready()
	}
	if err == nil {
		<-ctx.Done()
	}
	switch {
	case err != nil && ctx.Err() == nil:
		finish(all, errLeave)
		return err
	case errors.Is(context.Cause(ctx), daemon.ErrDown):
		finish(all, nil) // who runs unikernels has stopped them already
	default:
		s.endAll(all)
	}
	return nil
}

// AwaitUp waits until all daemons answer that another supervisor keeps. An error
// is that they do not in time, or that the other has ended.
func (s *Supervisor) AwaitUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for _, d := range s.Daemons {
		for {
			err := d.answers(ctx)
			if err == nil {
				break
			}
			if _, gone := readPid(s.Dir.upFile()); gone != nil {
				return api.Errorf(api.Unavailable, "albatross was up in %s, but has ended: %w", s.Dir, gone).Hinted("its log is %s", s.Dir.Log("up"))
			}
			select {
			case <-ctx.Done():
				if errors.Is(ctx.Err(), context.Canceled) {
					return ctx.Err()
				}
				return api.Errorf(api.Unavailable, "%s does not answer: %w", d.Program, err).Hinted("its log is %s", s.Dir.Log(d.Program))
			case <-time.After(askAgain):
			}
		}
	}
	return nil
}

// lock takes the lock of the directory. One that is held by nobody who is known
// is about to change: its holder has just begun, or is being torn down.
func (s *Supervisor) lock(ctx context.Context) (*lock, error) {
	deadline := time.Now().Add(lockPatience)
	for {
		l, err := s.Dir.lock(true)
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, errRunning):
			return nil, s.Dir.Unusable(err)
		}
		who := "another process"
		id, err := readPid(s.Dir.upFile())
		if err == nil {
			who = fmt.Sprintf("process %d", id.pid)
		}
		if err == nil || time.Now().After(deadline) {
			return nil, api.Errorf(api.InUse, "the daemons of %s run already: %s keeps them", s.Dir, who)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// launchAll launches the daemons in their order. With an error it returns those
// that run.
func (s *Supervisor) launchAll(ctx context.Context, goDown context.CancelCauseFunc) ([]*kept, error) {
	var all []*kept
	for _, d := range s.Daemons {
		k, err := s.launch(ctx, d, goDown)
		if err != nil {
			return all, err
		}
		all = append(all, k)
	}
	return all, nil
}

// endAll stops what the daemons run, and ends them, last one first.
func (s *Supervisor) endAll(all []*kept) {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	adopted := slices.ContainsFunc(all, func(k *kept) bool { return k.first.adopted })
	if adopted || len(all) == len(s.Daemons) { // else none of them ran anything yet
		if err := s.Stop(ctx); err != nil {
			s.say("unikernels may go on: %v", err)
		}
	}
	finish(all, nil)
}

// finish ends the keeping of daemons, last one first, and waits for it. With
// errLeave those that were adopted go on.
func finish(all []*kept, how error) {
	for _, k := range slices.Backward(all) {
		k.stop(how)
		<-k.done
	}
}
