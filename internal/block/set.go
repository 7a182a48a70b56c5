package block

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"albatross/internal/inflate"
	"albatross/internal/vm"
)

const (
	// pieceSize is how much content is read or written at once, in bytes: a
	// multiple of holeSize.
	pieceSize = 256 << 10
	// syncEvery is after how many written bytes a file is synced, so that the
	// sync at the end does not take minutes in which nothing seems to happen.
	syncEvery = 64 << 20
)

// Set replaces the content of a device by what r gives up to its end, unpacking
// it by zlib if it is compressed. What r leaves of the device is zero, as with
// Albatross 2.7. It holds a few buffers in memory, whatever the size, and blocks
// of zeros take no space on the disk.
//
// If it fails, for whatever reason, the device keeps its old content; so it does
// if the process ends before. That means that both contents need space at the
// same time. The error matches ErrNotFound, ErrNotDevice or ErrInUse before
// anything of r is read; ErrTooLarge, ErrNoSpace, ErrInvalid (broken compressed
// content) or is that of ctx or r later on, and r may not have been read to its
// end then. ctx is looked at between reads; the caller ends a read that blocks.
func (s *Store) Set(ctx context.Context, n vm.Name, r io.Reader, compressed bool) error {
	return about("set", n, s.set(ctx, n, r, compressed))
}

func (s *Store) set(ctx context.Context, n vm.Name, r io.Reader, compressed bool) (err error) {
	l, err := s.lock(n, toChange)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.unlock()) }()
	if err := l.check(); err != nil {
		return err
	}
	f, err := s.receive(l.size, func(f *os.File) error {
		src := inflate.NewSource(ctx, r)
		if compressed {
			return unpack(f, src, l.size)
		}
		return fill(f, src, l.size)
	})
	if err != nil {
		return err
	}
	return s.install(f, s.path(n))
}

// unpack fills f with the content of the zlib stream in src.
func unpack(f *os.File, src *inflate.Source, size int64) error {
	content, err := inflate.NewReader(src)
	if err == nil {
		err = fill(f, content, size)
	}
	if bad, ok := errors.AsType[*inflate.Error](err); ok {
		return invalidf("the compressed content %s", bad.Reason)
	}
	return err
}

// receive has write fill a new temporary file of size bytes. There is none after an
// error.
func (s *Store) receive(size int64, write func(*os.File) error) (*os.File, error) {
	f, err := os.CreateTemp(s.tmp, "set-*")
	if err != nil {
		return nil, err
	}
	s.steps.Done("block file made")
	if err = resize(f, size); err == nil {
		err = write(f)
	}
	if err != nil {
		return nil, errors.Join(err, discard(f))
	}
	s.steps.Done("block content written")
	return f, nil
}

// discard drops a temporary file.
func discard(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }

// install puts the temporary file f in the place of the one at path, durably, and
// closes it. After an error f is gone as well.
func (s *Store) install(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return errors.Join(err, discard(f))
	}
	s.steps.Done("block content synced")
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, discard(f))
	}
	s.steps.Done("block file renamed")
	if err := errors.Join(f.Close(), syncDir(s.dir)); err != nil {
		return fmt.Errorf("the content was replaced, but may be the old one after a crash of the host: %w", err)
	}
	return nil
}

// fill makes f, which has size bytes of zeros, begin with what r gives.
func fill(f *os.File, r io.Reader, size int64) error {
	buf := make([]byte, pieceSize)
	var off, unsynced int64
	for off < size {
		n, err := readPiece(r, buf[:min(pieceSize, size-off)])
		if err != nil && err != io.EOF {
			return err
		}
		written, werr := writeSparse(f, buf[:n], off)
		if werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		off += int64(n)
		if unsynced += written; unsynced >= syncEvery {
			if err := f.Sync(); err != nil {
				return err
			}
			unsynced = 0
		}
	}
	return ended(r, size)
}

// readPiece fills p from r. Fewer bytes come with an error, which is io.EOF at
// the end of r.
func readPiece(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// ended checks that r has nothing to give after size bytes.
func ended(r io.Reader, size int64) error {
	var extra [1]byte
	n, err := readPiece(r, extra[:])
	switch {
	case n > 0:
		return fmt.Errorf("%w, which has %d MB: it keeps its old content", ErrTooLarge, size/megabyte)
	case err == io.EOF:
		return nil
	default:
		return err
	}
}
