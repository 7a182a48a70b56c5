package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotFIFO is returned if a name that should be a FIFO is something else.
var ErrNotFIFO = errors.New("not a FIFO")

// Mkfifo makes a FIFO at path with exactly the given permission bits, whatever
// the umask. An existing name is an error that matches fs.ErrExist.
func Mkfifo(path string, perm fs.FileMode) error {
	return mkfifo(unix.AT_FDCWD, path, path, perm)
}

// MkfifoAt is Mkfifo for a name inside an open directory.
func MkfifoAt(dir *os.File, name string, perm fs.FileMode) error {
	return withFile(dir, func(raw int) error {
		return mkfifo(raw, name, dir.Name()+"/"+name, perm)
	})
}

func mkfifo(dir int, name, shown string, perm fs.FileMode) error {
	mode := uint32(perm.Perm())
	if err := retry(func() error { return unix.Mkfifoat(dir, name, mode) }); err != nil {
		return fmt.Errorf("make FIFO %s: %w", shown, err)
	}
	fd, err := openFIFO(dir, name, shown)
	if err == nil {
		err = retry(func() error { return unix.Fchmod(fd.Int(), mode) })
		err = errors.Join(err, fd.Close())
	}
	if err != nil {
		err = errors.Join(err, unix.Unlinkat(dir, name, 0))
		return fmt.Errorf("set mode of FIFO %s: %w", shown, err)
	}
	return nil
}

// OpenFIFO opens the FIFO at path for reading and writing, non-blocking. That
// open never waits for the other end; the pipe keeps what is in it as long as
// the FD is open; and a writer who opened a FIFO in this way never gets SIGPIPE.
// The name itself must not be a symbolic link, and anything that is not a FIFO
// is refused with ErrNotFIFO.
func OpenFIFO(path string) (*FD, error) {
	return openFIFO(unix.AT_FDCWD, path, path)
}

// OpenFIFOAt is OpenFIFO for a name inside an open directory.
func OpenFIFOAt(dir *os.File, name string) (*FD, error) {
	var fd *FD
	err := withFile(dir, func(raw int) (err error) {
		fd, err = openFIFO(raw, name, dir.Name()+"/"+name)
		return err
	})
	return fd, err
}

func openFIFO(dir int, name, shown string) (*FD, error) {
	const flags = unix.O_RDWR | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_NOCTTY | unix.O_CLOEXEC
	raw, err := retryValue(func() (int, error) { return unix.Openat(dir, name, flags, 0) })
	if err != nil {
		return nil, fmt.Errorf("open FIFO %s: %w", shown, err)
	}
	fd := NewFD(raw)
	var st unix.Stat_t
	if err = retry(func() error { return unix.Fstat(raw, &st) }); err == nil && st.Mode&unix.S_IFMT != unix.S_IFIFO {
		err = ErrNotFIFO
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open FIFO %s: %w", shown, err), fd.Close())
	}
	return fd, nil
}

// SetPipeSize asks for a pipe or FIFO buffer of at least size bytes and returns
// the size it has now. Not getting it is no error: an unprivileged process is
// limited by fs.pipe-max-size (1 MiB) for each pipe and, for all pipes of its
// user together, by fs.pipe-user-pages-soft.
func SetPipeSize(fd *FD, size int) (int, error) {
	if got, err := unix.FcntlInt(uintptr(fd.Int()), unix.F_SETPIPE_SZ, size); err == nil {
		return got, nil
	}
	got, err := unix.FcntlInt(uintptr(fd.Int()), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return 0, fmt.Errorf("get pipe size of %s: %w", fd, err)
	}
	return got, nil
}
