package keeper

import (
	"errors"
	"fmt"
	"syscall"
)

// placement is in which control groups a child is started.
type placement struct {
	inside      int   // directory of the v2 group; -1: none is given
	enter, home []int // tasks files of v1 groups: the child's, and the keeper's own
}

// split takes the descriptors of control groups, which the child does not get,
// from the end of fds.
func (s Spawn) split(fds []int) (childs []int, p placement, err error) {
	p.inside = -1
	groups := 2 * s.Cgroup1
	if s.Cgroup2 {
		groups++
	}
	if s.Cgroup1 < 0 || groups > len(fds) {
		return nil, p, fmt.Errorf("%d descriptors with %d of control groups among them", len(fds), groups)
	}
	childs, more := fds[:len(fds)-groups], fds[len(fds)-groups:]
	if s.Cgroup2 {
		p.inside, more = more[0], more[1:]
	}
	p.enter, p.home = more[:s.Cgroup1], more[s.Cgroup1:]
	return childs, p, nil
}

// start has fork start a child that is in the v1 groups: those of the thread that
// makes it. The thread is back home afterwards, or there is no child.
func (p placement) start(fork func() (pid int, err error)) (pid int, err error) {
	if err = move(p.enter); err != nil {
		err = fmt.Errorf("entering a control group: %w", err)
	} else {
		pid, err = fork()
	}
	homeless := move(p.home)
	if homeless == nil {
		return pid, err
	}
	if err == nil {
		// Nobody knows it yet; the table's lock keeps it from being reaped.
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return 0, errors.Join(err, fmt.Errorf("going back to the keeper's own control group: %w", homeless))
}

// move moves this thread, and no other of the process, into all the groups. It is
// where it was in those that fail.
func move(tasks []int) error {
	var errs []error
	for _, fd := range tasks {
		if _, err := syscall.Write(fd, []byte("0")); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
