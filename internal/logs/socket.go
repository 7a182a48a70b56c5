package logs

import (
	"errors"
	"syscall"
	"time"
)

// journalSocket is where systemd-journald takes entries.
const journalSocket = "/run/systemd/journal/socket"

// patience is how long one entry may wait for a journal that is busy. A journal
// that lets one wait longer is waited for no more until it takes an entry again.
const patience = 50 * time.Millisecond

// errBusy says that the journal runs and takes no entry now.
var errBusy = errors.New("the journal is busy")

// socket sends datagrams to an address. It is not for several goroutines.
type socket struct {
	fd    int
	err   error // why there is none
	to    *syscall.SockaddrUnix
	stuck bool // the last entry waited in vain
}

// newSocket returns a socket for an address, where nobody need listen yet.
func newSocket(path string) *socket {
	s := &socket{to: &syscall.SockaddrUnix{Name: path}}
	s.fd, s.err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if s.err != nil {
		return s
	}
	limit := syscall.NsecToTimeval(patience.Nanoseconds())
	if s.err = syscall.SetsockoptTimeval(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit); s.err != nil {
		s.close()
	}
	return s
}

// send sends a datagram. The error is errBusy if it may be sent later.
func (s *socket) send(b []byte) error {
	if s.err != nil {
		return s.err
	}
	flags := syscall.MSG_NOSIGNAL
	if s.stuck {
		flags |= syscall.MSG_DONTWAIT
	}
	deadline := time.Now().Add(patience)
	for {
		err := syscall.Sendto(s.fd, b, flags, s.to)
		switch {
		case err == syscall.EINTR && time.Now().Before(deadline):
			continue
		case err == syscall.EAGAIN, err == syscall.EINTR, err == syscall.ENOBUFS:
			s.stuck = true
			return errBusy
		case err == nil:
			s.stuck = false
		}
		return err
	}
}

func (s *socket) close() { _ = syscall.Close(s.fd) } // nothing is written to it any more
