package block

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"albatross/internal/vm"
)

// mode says how a device is opened and locked. flock is kept with the open file,
// so two opens by this process exclude each other like two processes do.
type mode struct {
	open int // of open(2)
	lock int // of flock(2)
}

var (
	toRead   = mode{os.O_RDONLY, syscall.LOCK_SH | syscall.LOCK_NB}
	toChange = mode{os.O_RDWR, syscall.LOCK_EX | syscall.LOCK_NB}
)

// maxReplaced is how often in a row a device may be replaced between being
// opened and being locked.
const maxReplaced = 100

// lock opens and locks the file of a device. It may have any size.
//
// While it was opened and not yet locked, the file may have been removed, or a
// Set may have put another one in its place. The lock on it is of no use then:
// who holds the lock of the file that the name leads to now, has the device.
func (s *Store) lock(n vm.Name, m mode) (*locked, error) {
	for range maxReplaced {
		l, err := s.tryLock(n, m)
		if l != nil || err != nil {
			return l, err
		}
	}
	return nil, ErrInUse
}

// tryLock is lock, but returns nil for a file that was replaced.
func (s *Store) tryLock(n vm.Name, m mode) (_ *locked, err error) {
	if _, err := s.stat(n); err != nil { // before the open, which may have effects on what is no file
		return nil, err
	}
	f, err := os.OpenFile(s.path(n), m.open|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, replaced(err)
	}
	l := &locked{File: f}
	if err := flock(f, m.lock); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	have, err := f.Stat()
	if err == nil {
		err = regular(have)
	}
	if err != nil {
		return nil, errors.Join(err, l.unlock())
	}
	now, err := s.stat(n)
	if err != nil || !os.SameFile(have, now) {
		return nil, errors.Join(err, l.unlock())
	}
	l.size = have.Size()
	return l, nil
}

// replaced returns nil if the failure of an open means that what stat had seen
// is not there any more: the next stat tells what to make of it.
func replaced(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return nil
	}
	return err
}

// locked is the file of a device, open and locked.
type locked struct {
	*os.File
	size int64 // bytes
}

// unlock gives the lock back and closes the file. Closing alone would leave the
// device locked for a moment if this process is just starting another one, which
// has all descriptors until it executes its program.
func (l *locked) unlock() error {
	return errors.Join(flock(l.File, syscall.LOCK_UN), l.Close())
}

// flock is flock(2). A lock that someone else has is ErrInUse.
func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	inner := error(syscall.EINTR)
	err = conn.Control(func(fd uintptr) {
		for inner == syscall.EINTR {
			inner = syscall.Flock(int(fd), how)
		}
	})
	switch {
	case err != nil:
		return err
	case inner == syscall.EWOULDBLOCK:
		return ErrInUse
	case inner != nil:
		return fmt.Errorf("lock %s: %w", f.Name(), inner)
	}
	return nil
}
