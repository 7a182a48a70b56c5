package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	chunkSize = 32 << 10 // bytes that are read at once
	pipeSize  = 1 << 20  // bytes that a pipe can hold (fs.pipe-max-size)
)

// chunks holds buffers of chunkSize. A thousand silent consoles need none.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// errNotFIFO says that the name of a FIFO belongs to something else.
var errNotFIFO = errors.New("not a FIFO")

// source is a FIFO that is read. One goroutine reads; any may interrupt it.
type source struct {
	file *os.File
	raw  syscall.RawConn
	info fs.FileInfo // which FIFO it is
	head []byte      // what was read when it was opened
	seen bool        // it has or had writers, so to find none means that they have gone
}

// openSource opens the FIFO at path, which must not be a symbolic link, for
// reading only: so the end of the last writer is seen. It does not wait for a
// writer.
func openSource(path string) (*source, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	s := &source{file: file}
	if err := s.probe(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return s, nil
}

// probe checks that the source is a FIFO and tries to read once, while whoever
// asked to open it still waits: if there is no writer now, the first one is yet
// to come. A later read could not tell that from the end.
func (s *source) probe() (err error) {
	if s.info, err = s.file.Stat(); err != nil {
		return err
	}
	if s.info.Mode().Type() != fs.ModeNamedPipe {
		return errNotFIFO
	}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return err
	}
	err = s.try(func(chunk []byte) { s.head = bytes.Clone(chunk) })
	s.seen = err == nil || errors.Is(err, syscall.EAGAIN)
	if s.seen || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// same reports whether s and other are the same FIFO, whatever its name.
func (s *source) same(other *source) bool { return os.SameFile(s.info, other.info) }

// read waits for bytes and hands them to consume, which must not keep them. Its
// error is io.EOF if the last writer has gone, os.ErrDeadlineExceeded if it was
// interrupted.
func (s *source) read(consume func([]byte)) error {
	if s.head != nil {
		consume(s.head)
		s.head = nil
		return nil
	}
	return s.once(consume, func(err error) bool {
		wait := err == syscall.EAGAIN || err == io.EOF && !s.seen
		s.seen = true // what ends the wait is a writer, or its end
		return wait
	})
}

// try is read without waiting: its error is syscall.EAGAIN if nothing is there.
func (s *source) try(consume func([]byte)) error {
	return s.once(consume, func(error) bool { return false })
}

// once reads once, and again after every failure for which wait is true, when
// there is something to read. It has a buffer only while it reads.
func (s *source) once(consume func([]byte), wait func(error) bool) error {
	var inner error
	err := s.raw.Read(func(fd uintptr) (done bool) {
		buf := chunks.Get().(*[chunkSize]byte)
		defer chunks.Put(buf)
		n, err := readFD(int(fd), buf[:])
		if err != nil && wait(err) {
			return false
		}
		inner = err
		if n > 0 {
			consume(buf[:n])
		}
		return true
	})
	return errors.Join(err, inner)
}

// readFD is read(2). The end of the file is io.EOF.
func readFD(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// rest reads what is in the FIFO after an interrupt, but no more than it can
// hold: those who still write to it are not waited for.
func (s *source) rest(consume func([]byte)) {
	if s.file.SetReadDeadline(time.Time{}) != nil {
		return
	}
	left := pipeSize
	count := func(chunk []byte) {
		left -= len(chunk)
		consume(chunk)
	}
	if s.head != nil {
		count(s.head)
		s.head = nil
	}
	for left > 0 && s.try(count) == nil {
	}
}

// interrupt ends a read that waits, and all later ones until rest was called.
func (s *source) interrupt() {
	_ = s.file.SetReadDeadline(time.Unix(1, 0)) // fails if it is closed: nobody waits then
}

// close gives the descriptor back.
func (s *source) close() { _ = s.file.Close() } // only read from
