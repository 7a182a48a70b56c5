package keeper

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// vault keeps descriptors open that the keeper does not use. Most of them are not
// among its own descriptors, all of which every child gets and closes again when
// it is started: a thousand would take as long as the start itself. They are in
// the queues of sockets, a few in each, until they are wanted again.
//
//	box   in ──▶ │ fd │ fd │ fd │ ──▶ out      a pair of sockets nobody else has
type vault struct {
	boxes []*box
}

// box is one queue. That of a socket pair keeps its order.
type box struct {
	in, out int
	held    []*deposit // as they are queued, the oldest first
}

// deposit stands for a descriptor in the vault.
type deposit struct {
	box *box // nil: it is outside of every box
	fd  int  // then
}

// boxSize is how many descriptors are in a box at most: to take one out means to
// take all out.
const boxSize = 16

// put duplicates fd into the vault. It fails only if it cannot even be duplicated.
func (v *vault) put(fd int) (*deposit, error) {
	d := &deposit{fd: -1}
	if b, err := v.room(); err == nil && b.push(d, fd) == nil {
		return d, nil
	}
	v.tidy()
	var err error
	if d.fd, err = dupCloexec(fd); err != nil {
		return nil, err
	}
	return d, nil
}

// drop closes what d stands for.
func (v *vault) drop(d *deposit) {
	if d.box == nil {
		closeFDs([]int{d.fd})
		return
	}
	d.box.drop(d)
	v.tidy()
}

// room returns a box that is not full, a new one if need be.
func (v *vault) room() (*box, error) {
	for _, b := range v.boxes {
		if len(b.held) < boxSize {
			return b, nil
		}
	}
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("making a pair of sockets: %w", err)
	}
	b := &box{in: ends[0], out: ends[1]}
	v.boxes = append(v.boxes, b)
	return b, nil
}

// tidy closes boxes that are empty.
func (v *vault) tidy() {
	v.boxes = slices.DeleteFunc(v.boxes, func(b *box) bool {
		if len(b.held) > 0 {
			return false
		}
		closeFDs([]int{b.in, b.out})
		return true
	})
}

// push queues a duplicate of fd, for d.
func (b *box) push(d *deposit, fd int) error {
	if err := syscall.Sendmsg(b.in, []byte{0}, syscall.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	d.box = b
	b.held = append(b.held, d)
	return nil
}

// pull takes the oldest descriptor from the queue.
func (b *box) pull() (fd int, err error) {
	var buf [1]byte
	rights := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := syscall.Recvmsg(b.out, buf[:], rights, syscall.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	fds, err := parseRights(rights[:n])
	if err == nil && len(fds) != 1 {
		err = errors.New("a descriptor was lost: there are too many")
	}
	if err != nil {
		closeFDs(fds)
		return -1, err
	}
	return fds[0], nil
}

// drop turns the queue around once, and leaves d out.
func (b *box) drop(d *deposit) {
	all := b.held
	b.held = nil
	for _, other := range all {
		other.box = nil
		// A descriptor that cannot be received is lost, with the last lines of
		// one console at most. One that cannot be put back stays outside.
		fd, err := b.pull()
		if other.fd = fd; err != nil {
			continue
		}
		if other == d || b.push(other, fd) == nil {
			closeFDs([]int{fd})
			other.fd = -1
		}
	}
}

func dupCloexec(fd int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
