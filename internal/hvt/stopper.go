package hvt

import (
	"errors"
	"fmt"
	"syscall"

	"albatross/internal/linux"
)

// stopper wakes the guest's thread where it waits: a pipe of which nothing is
// ever read, and whose other end is closed to stop the guest. The hang-up stays,
// so whoever waits for it later returns at once.
type stopper struct {
	wait   *linux.FD // add it to an epoll set
	signal *linux.FD
}

func newStopper() (*stopper, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	return &stopper{linux.NewFD(ends[0]), linux.NewFD(ends[1])}, nil
}

// stop hangs the pipe up. It may be called from any goroutine, repeatedly.
func (s *stopper) stop() {
	_ = s.signal.Close() // nothing was written that could fail to arrive
}

func (s *stopper) close() error {
	return errors.Join(s.signal.Close(), s.wait.Close())
}
