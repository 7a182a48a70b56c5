package sample

import (
	"strconv"
	"syscall"

	"albatross/internal/linux"
)

// bufferSize is enough for every file that is read in one piece; the longest is
// status, of less than 2 KB, where a set of CPUs is not absurdly ragged.
const bufferSize = 16 << 10

// Buffer is what files are read into. It belongs to one goroutine at a time.
type Buffer struct{ b [bufferSize]byte }

// read reads a file of the kernel's from its beginning, by one system call: what
// it tells is of one moment. The result is valid until the next read.
func (b *Buffer) read(fd *linux.FD) ([]byte, error) { return b.readAt(fd, 0, bufferSize) }

// readAt reads at most size bytes from an offset.
func (b *Buffer) readAt(fd *linux.FD, offset int64, size int) ([]byte, error) {
	for {
		n, err := syscall.Pread(fd.Int(), b.b[:min(size, bufferSize)], offset)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return b.b[:n], nil
	}
}

// procFile is a file below /proc that was handed over, or has a number in its path
// and is kept open if there are descriptors for that.
type procFile struct {
	fd   *linux.FD // nil: it is opened for each read
	path string    // empty: it was handed over, or cannot be read
}

func procPath(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// openProc opens a file by its path, now or for each read.
func openProc(path string, budget *Budget) procFile {
	f := procFile{path: path}
	if !budget.want() {
		return f
	}
	fd, err := linux.OpenFile(path)
	if err != nil { // which the first read will find out too
		budget.giveBack(1)
		return f
	}
	f.fd = fd
	return f
}

// reopens reports whether each read trusts the number in the path anew.
func (f *procFile) reopens() bool { return f.fd == nil && f.path != "" }

// known reports whether there is a file at all.
func (f *procFile) known() bool { return f.fd != nil || f.path != "" }

// read reads all of it.
func (f *procFile) read(b *Buffer) ([]byte, error) {
	if !f.reopens() {
		return b.read(f.fd)
	}
	fd, err := linux.OpenFile(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = fd.Close() }() // it was only read
	return b.read(fd)
}

// close closes what is open, and makes the file unknown.
func (f *procFile) close(budget *Budget) error {
	err := f.fd.Close()
	if f.fd != nil && f.path != "" {
		budget.giveBack(1)
	}
	*f = procFile{}
	return err
}
