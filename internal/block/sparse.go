package block

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
)

// holeSize is the least number of zeros, aligned, that are left out of a file:
// the block size of the usual file systems.
const holeSize = 4 << 10

var zeros [holeSize]byte

// writeSparse writes p at off, which is a multiple of holeSize, but leaves out
// blocks of zeros: the file must have none but zeros there. It returns how many
// bytes it wrote.
func writeSparse(f *os.File, p []byte, off int64) (written int64, err error) {
	for len(p) > 0 {
		zero, length := run(p)
		if !zero {
			n, err := f.WriteAt(p[:length], off)
			written += int64(n)
			if err != nil {
				return written, err
			}
		}
		p, off = p[length:], off+int64(length)
	}
	return written, nil
}

// run returns how many bytes at the beginning of p are blocks of zeros, or are
// blocks of something else. The last block may be shorter.
func run(p []byte) (zero bool, length int) {
	block := func(at int) bool {
		b := p[at:min(at+holeSize, len(p))]
		return bytes.Equal(b, zeros[:len(b)])
	}
	zero = block(0)
	for length = holeSize; length < len(p) && block(length) == zero; length += holeSize {
	}
	return zero, min(length, len(p))
}

// Values for lseek(2), which the standard library passes on.
const (
	seekData = 3
	seekHole = 4
)

// sparseReader reads the first size bytes of a file. It reads no holes, which
// would fill the page cache with zeros.
type sparseReader struct {
	file *os.File
	size int64
	off  int64
	data int64 // data begins there, at off or behind; before is a hole
	end  int64 // and ends there
}

// Read returns the bytes at off, all from data or all from a hole.
func (r *sparseReader) Read(p []byte) (n int, err error) {
	if r.off == r.size {
		return 0, io.EOF
	}
	if r.off == r.end {
		if err := r.find(); err != nil {
			return 0, err
		}
	}
	if r.off < r.data {
		n = int(min(int64(len(p)), r.data-r.off))
		clear(p[:n])
	} else {
		n, err = r.file.ReadAt(p[:min(int64(len(p)), r.end-r.off)], r.off)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	r.off += int64(n)
	return n, err
}

// find sets data and end to the data at off or behind. The file's own offset
// moves, and has no meaning.
func (r *sparseReader) find() error {
	data, err := r.file.Seek(r.off, seekData)
	switch {
	case errors.Is(err, syscall.EINVAL): // a file system that cannot tell
		r.data, r.end = r.off, r.size
		return nil
	case errors.Is(err, syscall.ENXIO):
		return r.holeToTheEnd()
	case err != nil:
		return err
	}
	end, err := r.file.Seek(data, seekHole)
	r.data, r.end = min(data, r.size), min(end, r.size)
	return err
}

// holeToTheEnd takes the rest for a hole, unless the file has become shorter.
func (r *sparseReader) holeToTheEnd() error {
	fi, err := r.file.Stat()
	if err == nil && fi.Size() < r.size {
		err = io.ErrUnexpectedEOF
	}
	r.data, r.end = r.size, r.size
	return err
}
