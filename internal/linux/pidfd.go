package linux

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// PidfdEnded reports whether the process that fd stands for has ended, reaped or
// not.
func PidfdEnded(fd *FD) (bool, error) {
	polled := []unix.PollFd{{Fd: int32(fd.Int()), Events: unix.POLLIN}}
	n, err := retryValue(func() (int, error) { return unix.Poll(polled, 0) })
	switch {
	case err != nil:
		return false, fmt.Errorf("look at the process of %s: %w", fd, err)
	case polled[0].Revents&unix.POLLNVAL != 0:
		return false, fmt.Errorf("look at the process of %s: %w", fd, unix.EBADF)
	}
	return n > 0, nil
}

// PidfdGetFD duplicates a descriptor of the process that pidfd stands for, by the
// number that it has there (pidfd_getfd(2), Linux 5.6). Whoever may trace the
// process may do so.
func PidfdGetFD(pidfd *FD, number int) (*FD, error) {
	raw, err := retryValue(func() (int, error) { return unix.PidfdGetfd(pidfd.Int(), number, 0) })
	if err != nil {
		return nil, fmt.Errorf("take fd %d of the process of %s: %w", number, pidfd, notExist(err))
	}
	return NewFD(raw), nil
}

// OpenFile opens a file to be read, as an FD.
func OpenFile(path string) (*FD, error) {
	raw, err := retryValue(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, notExist(err))
	}
	return NewFD(raw), nil
}
