package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"albatross/internal/linux"
	"albatross/internal/paths"
)

// How long Listen waits: for another process that is just making a socket in
// the same directory, and for the answer of one that may be living.
const (
	lockPatience = 5 * time.Second
	dialPatience = time.Second
)

// Listen makes the unix stream socket of a daemon at path, whose directory must
// exist. It replaces the socket that a dead daemon left; if anything listens
// there, or if path is something else than a socket, it is left alone and an
// error. The mode is 0777 less the umask, but with all bits of the group, as
// Albatross has it: 0775 for the umask 022. Closing the listener removes the
// socket.
func Listen(path string) (*net.UnixListener, error) {
	if len(path) > paths.MaxSocket {
		return nil, fmt.Errorf("socket %s: the path has %d bytes, at most %d are possible: choose a shorter directory",
			path, len(path), paths.MaxSocket)
	}
	// Two daemons that start at once must not remove each other's socket.
	dir, err := lockDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	defer func() { _ = dir.Close() }()
	if err := removeDead(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	if err := openToGroup(path); err != nil {
		return nil, errors.Join(fmt.Errorf("socket %s: %w", path, err), l.Close())
	}
	return l, nil
}

// lockDir takes the lock of a directory, which lasts until it is closed.
func lockDir(name string) (*os.File, error) {
	dir, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(lockPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := linux.FlockExclusive(dir)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, linux.ErrLocked) || time.Now().After(deadline) {
			return nil, errors.Join(err, dir.Close())
		}
		time.Sleep(pause)
	}
}

// removeDead removes the socket at path if nobody listens on it.
func removeDead(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("socket %s: something else has that name: remove it", path)
	}
	alive, err := listens(path)
	switch {
	case err != nil:
		return fmt.Errorf("socket %s: cannot tell whether another daemon listens: %w", path, err)
	case alive:
		return fmt.Errorf("another daemon listens on %s: stop it first, or choose another directory", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("socket %s: remove what a dead daemon left: %w", path, err)
	}
	return nil
}

// listens reports whether a process listens on the socket at path. Only a
// refused connection proves that none does: a full queue (EAGAIN) and a socket
// of another type (EPROTOTYPE) belong to a living one.
func listens(path string) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialPatience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return true, c.Close()
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EPROTOTYPE), errors.Is(err, context.DeadlineExceeded):
		return true, nil
	}
	return false, err
}

// openToGroup gives the group all rights on a socket that was made with the
// process's umask.
func openToGroup(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return os.Chmod(path, info.Mode().Perm()|0o070)
}
