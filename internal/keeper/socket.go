package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// send writes v as one packet with fds beside it.
func send(c *net.UnixConn, v any, fds []int) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxMessage || len(fds) > maxFDs {
		return fmt.Errorf("a message of %d bytes and %d descriptors is too long", len(b), len(fds))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	_, _, err = c.WriteMsgUnix(b, rights, nil)
	return err
}

// receive reads one packet into v and returns the descriptors that came with
// it, close-on-exec. It returns io.EOF when the peer is gone.
func receive(c *net.UnixConn, buf, rights []byte, v any) (fds []int, err error) {
	n, rn, flags, _, err := c.ReadMsgUnix(buf, rights)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	defer func() {
		if err != nil {
			closeFDs(fds)
			fds = nil
		}
	}()
	if rn > 0 {
		if fds, err = parseRights(rights[:rn]); err != nil {
			return fds, err
		}
	}
	if flags&(syscall.MSG_TRUNC|syscall.MSG_CTRUNC) != 0 {
		return fds, errors.New("a message was cut: it is longer than the protocol allows")
	}
	return fds, json.Unmarshal(buf[:n], v)
}

func parseRights(b []byte) (fds []int, err error) {
	messages, err := syscall.ParseSocketControlMessage(b)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	for i := range messages {
		more, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return fds, fmt.Errorf("descriptors: %w", err)
		}
		fds = append(fds, more...)
	}
	// ReadMsgUnix asks for MSG_CMSG_CLOEXEC, so none leaks into a child.
	return fds, nil
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd) // read-only use or a duplicate: nothing is lost
	}
}

// allowed refuses peers of another user than root and our own.
func allowed(c *net.UnixConn) error {
	cred, err := peer(c)
	if err != nil {
		return err
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Getuid() {
		return fmt.Errorf("user %d may not talk to the keeper", cred.Uid)
	}
	return nil
}

// peer returns who connected, or who listens.
func peer(c *net.UnixConn) (cred *syscall.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if controlErr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); controlErr != nil {
		return nil, controlErr
	}
	return cred, err
}
