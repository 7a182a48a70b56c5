package stats

import (
	"errors"
	"fmt"
	"io"
	"net"

	"albatross/internal/api"
	"albatross/internal/linux"
)

// mostWaiting is how many descriptors may have come that no message has named.
const mostWaiting = 4 * api.HandoverMost

// rights reads a connection and collects the descriptors that come with what is
// read, in their order.
type rights struct {
	conn    *net.UnixConn
	waiting []*linux.FD
}

// Read reads what is there.
func (r *rights) Read(p []byte) (int, error) {
	n, fds, err := linux.RecvFDs(r.conn, p, api.HandoverMost)
	r.waiting = append(r.waiting, fds...)
	switch {
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case err == nil && len(r.waiting) > mostWaiting:
		err = fmt.Errorf("%w: %d of them without a message that names them", linux.ErrBadControl, len(r.waiting))
	}
	return n, err
}

// take returns the descriptors that a message names, in whose hands they are
// then. If they have not come, or one is named twice, there are none.
func (r *rights) take(names []string) (map[string]*linux.FD, error) {
	if len(names) > len(r.waiting) {
		return nil, fmt.Errorf("%d descriptors have come, %d were announced", len(r.waiting), len(names))
	}
	named := make(map[string]*linux.FD, len(names))
	var errs []error
	for i, name := range names {
		if named[name] != nil {
			errs = append(errs, fmt.Errorf("two descriptors are called %q", name), r.waiting[i].Close())
			continue
		}
		named[name] = r.waiting[i]
	}
	r.waiting = append(r.waiting[:0], r.waiting[len(names):]...)
	if len(errs) == 0 {
		return named, nil
	}
	for _, fd := range named {
		errs = append(errs, fd.Close())
	}
	return nil, errors.Join(errs...)
}

// close closes what nobody has taken.
func (r *rights) close() error {
	defer func() { r.waiting = nil }()
	return linux.CloseAll(r.waiting)
}
