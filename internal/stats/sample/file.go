package sample

import (
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
