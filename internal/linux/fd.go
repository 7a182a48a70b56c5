package linux

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// closedFD is what an FD holds once it owns nothing any more.
const closedFD = -1

// FD owns one file descriptor and closes it exactly once. Unlike an os.File it
// never touches the descriptor's flags, is not known to the runtime's poller
// and has no finalizer: what is not closed explicitly stays open until the
// process ends.
//
// Close may be called any number of times and from any goroutine, but its
// owner must see to it that no other method runs at the same time: the kernel
// may give the number to another file as soon as it is free.
//
// An FD must not be copied; pass *FD. The methods of a nil *FD act as those of
// a closed one.
type FD struct {
	raw atomic.Int32
}

// NewFD takes ownership of the descriptor raw. A negative number gives an FD
// that is already closed.
func NewFD(raw int) *FD {
	fd := new(FD)
	fd.raw.Store(int32(max(raw, closedFD)))
	return fd
}

// Int returns the number of the descriptor, which stays owned by fd, or -1 if
// fd is closed. Any system call on -1 fails with EBADF.
func (fd *FD) Int() int {
	if fd == nil {
		return closedFD
	}
	return int(fd.raw.Load())
}

// String returns "fd 7", or "fd closed".
func (fd *FD) String() string {
	if n := fd.Int(); n >= 0 {
		return fmt.Sprintf("fd %d", n)
	}
	return "fd closed"
}

// Close closes the descriptor. The second and later calls do nothing and
// return nil. It does not retry on EINTR, since Linux has freed the number by
// then.
func (fd *FD) Close() error {
	if fd == nil {
		return nil
	}
	n := fd.raw.Swap(closedFD)
	if n < 0 {
		return nil
	}
	if err := unix.Close(int(n)); err != nil && err != unix.EINTR {
		return fmt.Errorf("close fd %d: %w", n, err)
	}
	return nil
}

// Dup returns a second descriptor for the same open file, with the lowest free
// number. File status flags such as O_NONBLOCK are shared between the two.
func (fd *FD) Dup() (*FD, error) {
	return fd.DupHigh(0)
}

// DupHigh is Dup with the lowest free number that is not below minimum. It
// keeps a descriptor out of the way of the fixed numbers that a child process
// is given.
func (fd *FD) DupHigh(minimum int) (*FD, error) {
	n, err := retryValue(func() (int, error) {
		return unix.FcntlInt(uintptr(fd.Int()), unix.F_DUPFD_CLOEXEC, minimum)
	})
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", fd, err)
	}
	return NewFD(n), nil
}

// File moves the descriptor into an os.File called name; fd is closed
// afterwards in the sense of this type, and the caller owns the file. It
// returns nil if fd was closed already.
func (fd *FD) File(name string) *os.File {
	if fd == nil {
		return nil
	}
	n := fd.raw.Swap(closedFD)
	if n < 0 {
		return nil
	}
	return os.NewFile(uintptr(n), name)
}

// FromFile returns a duplicate of the descriptor of f, which stays open and
// unchanged (in particular a non-blocking file stays so, other than with
// f.Fd()).
func FromFile(f *os.File) (*FD, error) {
	var dup int
	err := withFile(f, func(raw int) (err error) {
		dup, err = unix.FcntlInt(uintptr(raw), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", f.Name(), err)
	}
	return NewFD(dup), nil
}

// SetNonblock sets or clears O_NONBLOCK. The flag belongs to the open file, so
// all duplicates, also those in other processes, change with it.
func (fd *FD) SetNonblock(nonblocking bool) error {
	if err := unix.SetNonblock(fd.Int(), nonblocking); err != nil {
		return fmt.Errorf("set O_NONBLOCK of %s to %t: %w", fd, nonblocking, err)
	}
	return nil
}

// Nonblocking reports whether O_NONBLOCK is set.
func (fd *FD) Nonblocking() (bool, error) {
	flags, err := unix.FcntlInt(uintptr(fd.Int()), unix.F_GETFL, 0)
	if err != nil {
		return false, fmt.Errorf("get flags of %s: %w", fd, err)
	}
	return flags&unix.O_NONBLOCK != 0, nil
}

// Read is one read(2): for a tap, one frame. It returns io.EOF at the end of
// the file, and an error that is syscall.EAGAIN if the descriptor is
// non-blocking and has nothing. Errors of this method and of Write are bare
// error numbers, as both are called for every packet.
func (fd *FD) Read(p []byte) (int, error) {
	n, err := retryValue(func() (int, error) { return unix.Read(fd.Int(), p) })
	switch {
	case err != nil:
		return 0, err
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write is one write(2): for a tap, one frame. If less than all of p was
// written, which a non-blocking pipe may do, the error is io.ErrShortWrite.
func (fd *FD) Write(p []byte) (int, error) {
	n, err := retryValue(func() (int, error) { return unix.Write(fd.Int(), p) })
	switch {
	case err != nil:
		return 0, err
	case n < len(p):
		return n, io.ErrShortWrite
	}
	return n, nil
}

// ReadAt fills p from the given offset in bytes, as io.ReaderAt: fewer bytes
// come with an error, io.EOF at the end of the file.
func (fd *FD) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := retryValue(func() (int, error) { return unix.Pread(fd.Int(), p[done:], off+int64(done)) })
		if err != nil {
			return done, fmt.Errorf("read %d bytes at %d of %s: %w", len(p), off, fd, err)
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

// WriteAt writes all of p at the given offset in bytes, as io.WriterAt: fewer
// bytes come with an error.
func (fd *FD) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := retryValue(func() (int, error) { return unix.Pwrite(fd.Int(), p[done:], off+int64(done)) })
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return done, fmt.Errorf("write %d bytes at %d of %s: %w", len(p), off, fd, err)
		}
		done += n
	}
	return done, nil
}

// withFile calls f with the raw descriptor of file, which cannot be closed
// meanwhile, and retries it on EINTR. file.Fd() would make it blocking.
func withFile(file *os.File, f func(raw int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(raw uintptr) { inner = retry(func() error { return f(int(raw)) }) }); err != nil {
		return err
	}
	return inner
}

// notExist makes err match fs.ErrNotExist as well if the process or file it is
// about ended while it was looked at.
func notExist(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return errors.Join(fs.ErrNotExist, err)
	}
	return err
}
