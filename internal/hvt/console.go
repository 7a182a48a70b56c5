package hvt

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"albatross/internal/linux"
)

// pipeBuf is how much a pipe that is writable takes without blocking (PIPE_BUF).
const pipeBuf = 4096

// dataConsole marks the console in the epoll set of its own.
const dataConsole = 1

// console takes what the guest prints. Errors of it are nobody's business: the
// guest is not told, and goes on without, unless a reader is needed.
type console struct {
	fd          *linux.FD
	needsReader bool

	// room tells when a console that blocks has room, or that the guest is to
	// stop. Nil for one that does not block: a non-blocking descriptor, a file.
	room *linux.FD
}

func newConsole(fd, stop *linux.FD, needsReader bool) (_ *console, err error) {
	c := &console{fd: fd, needsReader: needsReader}
	nonblocking, err := fd.Nonblocking()
	if err != nil || nonblocking {
		return c, err
	}
	if c.room, err = linux.NewEpoll(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.room.Close())
		}
	}()
	err = linux.EpollAdd(c.room, fd.Int(), syscall.EPOLLOUT, dataConsole)
	if errors.Is(err, syscall.EPERM) { // a regular file: always writable
		err = c.room.Close()
		c.room = nil
		return c, err
	}
	if err != nil {
		return nil, err
	}
	return c, linux.EpollAdd(c.room, stop.Int(), linux.EpollIn, dataStop)
}

// write prints p, as far as the console takes it. An error is that the reader
// is gone who is needed.
func (c *console) write(p []byte) error {
	for len(p) > 0 {
		chunk := p
		if c.room != nil {
			if !c.waitForRoom() {
				return nil
			}
			chunk = p[:min(len(p), pipeBuf)]
		}
		n, err := c.fd.Write(chunk)
		if c.needsReader && errors.Is(err, syscall.EPIPE) {
			return fmt.Errorf("nobody reads the console: %w", err)
		}
		if n == 0 || err != nil && err != io.ErrShortWrite {
			return nil
		}
		p = p[n:]
	}
	return nil
}

// waitForRoom reports whether the console takes more. It does not if the guest
// is to stop.
func (c *console) waitForRoom() bool {
	var events [2]linux.EpollEvent
	n, err := linux.EpollWait(c.room, events[:], -1)
	if err != nil {
		return false
	}
	for _, e := range events[:n] {
		if e.Data() == dataStop {
			return false
		}
	}
	return true
}

func (c *console) close() error { return c.room.Close() }
