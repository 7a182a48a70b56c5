package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"albatross/internal/inflate"
)

// StageOptions says how an image arrives.
type StageOptions struct {
	// Compressed says that the image is a zlib stream.
	Compressed bool
	// MaxSize is the largest size of the unpacked image in bytes. It must be
	// above 0: a few bytes of zlib can unpack to a thousand times as many.
	MaxSize int64
}

// Staged is an image that has arrived in a temporary file of a Store and awaits
// its Commit or Discard. It may be used by one goroutine at a time.
type Staged struct {
	store  *Store
	file   *os.File // nil once committed or discarded
	size   int64
	digest Digest
}

// Stage writes the image in r to a temporary file, unpacking and hashing it on
// the way, and reads r to its end. It holds a few buffers in memory, whatever
// the size of the image.
//
// The error wraps ErrTooLarge if the image exceeds opt.MaxSize, is an *Error if
// the compressed data is at fault, and else is that of ctx, of r or of the file
// system. ctx is looked at between reads; the caller ends a read that blocks.
// Nothing is left behind after an error, but r may not have been read to its end.
func (s *Store) Stage(ctx context.Context, r io.Reader, opt StageOptions) (*Staged, error) {
	st, err := s.stage(ctx, r, opt)
	if err != nil {
		return nil, fmt.Errorf("receive image: %w", err)
	}
	return st, nil
}

func (s *Store) stage(ctx context.Context, r io.Reader, opt StageOptions) (_ *Staged, err error) {
	if opt.MaxSize <= 0 {
		return nil, fmt.Errorf("the size limit of %d bytes is not above 0", opt.MaxSize)
	}
	f, err := os.CreateTemp(s.tmp, "image-*")
	if err != nil {
		return nil, err
	}
	s.steps.Done("image file made")
	st := &Staged{store: s, file: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Discard())
		}
	}()

	h := sha256.New()
	w := io.MultiWriter(h, f)
	src := inflate.NewSource(ctx, r)
	if opt.Compressed {
		st.size, err = unpack(w, src, opt.MaxSize)
	} else {
		st.size, err = copyBounded(w, src, opt.MaxSize)
	}
	if err != nil {
		return nil, err
	}
	s.steps.Done("image written")
	h.Sum(st.digest[:0])
	return st, nil
}

// File returns the temporary file, for Read. It must not be written to and is
// closed by Commit and Discard.
func (st *Staged) File() *os.File { return st.file }

// Reopen opens the image again, for reading only. The file stays valid after Commit
// and Discard, and is the caller's to close.
func (st *Staged) Reopen() (*os.File, error) {
	f, err := os.Open(st.file.Name())
	if err != nil {
		return nil, fmt.Errorf("open staged image: %w", err)
	}
	return f, nil
}

// Size returns the size of the unpacked image in bytes.
func (st *Staged) Size() int64 { return st.size }

// Digest returns the digest of the unpacked image.
func (st *Staged) Digest() Digest { return st.digest }

// Commit moves the image into the store, durably, or drops it if the store has
// it already. After an error it is not in the store on st's account, and still
// has to be discarded.
func (st *Staged) Commit() error {
	if st.file == nil {
		return errors.New("store image: it was committed or discarded before")
	}
	if err := st.commit(); err != nil {
		return fmt.Errorf("store image %s: %w", st.digest, err)
	}
	return nil
}

func (st *Staged) commit() error {
	s := st.store
	defer s.busy.lock(st.digest)()
	there, err := s.has(st.digest)
	if err != nil {
		return err
	}
	if there {
		return st.Discard()
	}
	if err := st.file.Chmod(0o444); err != nil {
		return err
	}
	if err := st.file.Sync(); err != nil {
		return err
	}
	s.steps.Done("image synced")
	if err := os.Rename(st.file.Name(), s.path(st.digest)); err != nil {
		return err
	}
	s.steps.Done("image renamed")
	if err := syncDir(s.blobs); err != nil {
		return errors.Join(err, os.Rename(s.path(st.digest), st.file.Name()))
	}
	s.steps.Done("image directory synced")
	// The content was synced: closing has nothing left to fail on.
	_ = st.file.Close()
	st.file = nil
	return nil
}

// Discard drops the image. It does nothing after Commit or another Discard, so
// that it can be deferred.
func (st *Staged) Discard() error {
	if st.file == nil {
		return nil
	}
	f := st.file
	st.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
