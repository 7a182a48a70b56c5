package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
)

// downPatience is how long a supervisor may take to end: more than its own
// patience with everything.
const downPatience = 2 * time.Minute

// Down ends what runs in the directory and returns when nothing does any more.
// It reports whether anything ran.
func (s *Supervisor) Down(ctx context.Context) (ran bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, downPatience)
	defer cancel()
	told := identity{}
	for {
		l, err := s.Dir.lock(false)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return ran, nil // nothing was ever up here
		case err == nil:
			left, err := s.endOrphans()
			return ran || left, errors.Join(err, l.release())
		case !errors.Is(err, errRunning):
			return ran, s.Dir.Unusable(err)
		}
		ran = true
		if id, err := readPid(s.Dir.upFile()); err == nil && id != told {
			if err := tell(id); err != nil {
				return ran, err
			}
			told = id
		}
		select {
		case <-ctx.Done():
			return ran, s.stillUp(ctx, told)
		case <-time.After(lockPause):
		}
	}
}

func (s *Supervisor) stillUp(ctx context.Context, who identity) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return api.Errorf(api.Unavailable, "process %d, which keeps albatross up in %s, has not ended within %v", who.pid, s.Dir, downPatience).
		Hinted("its log is %s", s.Dir.Log("up"))
}

// tell asks a supervisor to end.
func tell(id identity) error {
	fd, err := linux.PidfdOpen(id.pid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer fd.Close()
	if now, err := identify(id.pid); err != nil || now != id {
		return nil // it has ended since
	}
	err = linux.PidfdSendSignal(fd, syscall.SIGTERM)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return api.Errorf(api.Denied, "process %d, which keeps albatross up, is another user's", id.pid)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("ending process %d: %w", id.pid, err)
	}
	return nil
}

// endOrphans ends the daemons that a supervisor left that was killed. The lock
// is held.
func (s *Supervisor) endOrphans() (left bool, err error) {
	var all []*kept
	for _, d := range s.Daemons {
		p, err := s.find(d)
		if err != nil {
			continue
		}
		k := &kept{Daemon: d, s: s, orphan: true, first: p, done: make(chan struct{})}
		keeping, stop := context.WithCancelCause(context.Background())
		k.stop = stop
		go k.keep(keeping)
		all = append(all, k)
	}
	if len(all) == 0 {
		return false, nil
	}
	s.endAll(all)
	return true, nil
}
