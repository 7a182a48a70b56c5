package linux

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// MaxPassedFDs is how many descriptors the kernel takes in one message
// (SCM_MAX_FD in Linux' net/scm.h).
const MaxPassedFDs = 253

// ErrBadControl is returned by RecvFDs if the peer sent descriptors or control
// messages that were not asked for.
var ErrBadControl = errors.New("unexpected descriptors or control message")

// SendFDs sends p, which must not be empty, together with descriptors
// (SCM_RIGHTS); the sender keeps its own. On a stream the descriptors travel
// with the first byte of p. The connection's write deadline applies.
func SendFDs(c *net.UnixConn, p []byte, fds ...int) error {
	if len(p) == 0 {
		return errors.New("send descriptors: no data to send them with")
	}
	if len(fds) > MaxPassedFDs {
		return fmt.Errorf("send descriptors: %d are more than the %d that fit in a message", len(fds), MaxPassedFDs)
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	n, _, err := c.WriteMsgUnix(p, oob, nil)
	if err == nil && n < len(p) {
		_, err = c.Write(p[n:])
	}
	if err != nil {
		return fmt.Errorf("send %d descriptors: %w", len(fds), err)
	}
	return nil
}

// RecvFDs receives up to len(p) bytes and up to maxFDs descriptors, which are
// close-on-exec and owned by the caller. The connection's read deadline
// applies; io.EOF is the end of a stream.
//
// On a stream the bytes may be fewer than were sent. The kernel never joins the
// data of two messages that both carry descriptors, but does join plain data
// with what comes before, so a protocol should put descriptors at a point in the
// stream where its reader knows to expect them.
//
// More descriptors than maxFDs, a truncated control message or one of another
// kind are refused with ErrBadControl. On any error all descriptors that came
// are closed.
func RecvFDs(c *net.UnixConn, p []byte, maxFDs int) (n int, fds []*FD, err error) {
	if maxFDs < 0 || maxFDs > MaxPassedFDs {
		return 0, nil, fmt.Errorf("receive descriptors: %d is not between 0 and %d", maxFDs, MaxPassedFDs)
	}
	// An empty buffer would make net skip the control message altogether, and
	// with it the notice that the peer sent one.
	oob := make([]byte, unix.CmsgSpace(4*max(maxFDs, 1)))
	n, oobn, flags, _, err := c.ReadMsgUnix(p, oob) // net asks for MSG_CMSG_CLOEXEC
	if err != nil {
		return 0, nil, fmt.Errorf("receive descriptors: %w", err)
	}
	fds, err = parseRights(oob[:oobn])
	switch {
	case err != nil:
	case flags&unix.MSG_CTRUNC != 0:
		err = fmt.Errorf("%w: more than %d descriptors", ErrBadControl, maxFDs)
	case len(fds) > maxFDs: // alignment leaves room for one more
		err = fmt.Errorf("%w: %d descriptors, at most %d expected", ErrBadControl, len(fds), maxFDs)
	}
	if err != nil {
		CloseAll(fds)
		return 0, nil, fmt.Errorf("receive descriptors: %w", err)
	}
	return n, fds, nil
}

// parseRights takes ownership of all descriptors in a control buffer. It
// returns them even with an error, so that they can be closed.
func parseRights(oob []byte) ([]*FD, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadControl, err)
	}
	var fds []*FD
	for i := range messages {
		raws, rightsErr := unix.ParseUnixRights(&messages[i])
		if rightsErr != nil {
			err = fmt.Errorf("%w: of type %d", ErrBadControl, messages[i].Header.Type)
		}
		for _, raw := range raws {
			fds = append(fds, NewFD(raw))
		}
	}
	return fds, err
}

// CloseAll closes each of fds and returns the joined errors.
func CloseAll(fds []*FD) error {
	var errs []error
	for _, fd := range fds {
		errs = append(errs, fd.Close())
	}
	return errors.Join(errs...)
}

// Peer is who was at the other end of a unix socket when it was connected (for
// the accepting side) or began to listen (for the connecting side).
type Peer struct {
	PID int // may have ended since, and its number be someone else's
	UID int // effective user id
	GID int // effective group id
}

// PeerCred returns the credentials of the peer of a connected unix stream
// socket, which the kernel vouches for (SO_PEERCRED).
func PeerCred(c *net.UnixConn) (Peer, error) {
	conn, err := c.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("get peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var inner error
	err = conn.Control(func(raw uintptr) {
		cred, inner = unix.GetsockoptUcred(int(raw), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, inner); err != nil {
		return Peer{}, fmt.Errorf("get peer credentials: %w", err)
	}
	return Peer{PID: int(cred.Pid), UID: int(cred.Uid), GID: int(cred.Gid)}, nil
}
