package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"albatross/internal/inflate"
	"albatross/internal/steps"
)

const (
	tmpDir  = "tmp"
	blobDir = "sha256"
)

// Store keeps images on disk; the package comment draws its layout. Its methods
// may be called from any number of goroutines. Only one Store may be open for a
// directory: OpenStore removes what it takes for the leftovers of a crash.
type Store struct {
	tmp   string // DIR/tmp, in the file system of blobs so that rename works
	blobs string // DIR/sha256
	steps steps.Steps

	// busy serialises Commit and Remove of one digest, so that a commit which
	// finds the image there already can rely on its being durable.
	busy keyedMutex
}

// OpenStore opens the store in dir, which is made if it does not exist, for the
// owner of the process alone. Images that had been staged but not committed
// when a former process ended are removed. The steps of what changes the store
// are told to done, which may be nil.
func OpenStore(dir string, done steps.Steps) (*Store, error) {
	s := &Store{tmp: filepath.Join(dir, tmpDir), blobs: filepath.Join(dir, blobDir), steps: done}
	if err := s.open(dir); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	return s, nil
}

// ViewStore is the store in dir for looking only: nothing in it is made or
// removed.
func ViewStore(dir string) *Store {
	return &Store{tmp: filepath.Join(dir, tmpDir), blobs: filepath.Join(dir, blobDir)}
}

func (s *Store) open(dir string) error {
	for _, d := range []string{dir, s.tmp, s.blobs} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	leftovers, err := os.ReadDir(s.tmp)
	if err != nil {
		return err
	}
	for _, e := range leftovers {
		if err := os.Remove(filepath.Join(s.tmp, e.Name())); err != nil {
			return err
		}
	}
	// A crash may have come between a rename and the sync of the directory.
	// From here on, what is in the store is durable.
	for _, d := range []string{filepath.Dir(dir), dir, s.blobs} {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// Open opens the image for reading. The error wraps fs.ErrNotExist if it is not
// in the store.
func (s *Store) Open(d Digest) (*os.File, error) {
	f, err := os.Open(s.path(d))
	if err != nil {
		return nil, fmt.Errorf("open stored image: %w", err)
	}
	return f, nil
}

// Remove removes the image; it is no error if it is not there. Open files and
// mappings of it stay valid. The removal need not survive a crash: the image is
// then listed once more. The caller sees to it that nobody relies on a Commit
// of an image that is removed meanwhile.
func (s *Store) Remove(d Digest) error {
	return s.RemoveUnless(d, func() bool { return false })
}

// RemoveUnless removes the image like Remove, unless used says that it is in
// use. No commit of the same image comes between the question and the removal,
// so a caller that counts a use before it commits never loses an image.
func (s *Store) RemoveUnless(d Digest, used func() bool) error {
	defer s.busy.lock(d)()
	if used() {
		return nil
	}
	if err := os.Remove(s.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stored image: %w", err)
	}
	s.steps.Done("image removed")
	return nil
}

// List returns the digests of all stored images, in ascending order. Files
// that are no images are passed over.
func (s *Store) List() ([]Digest, error) {
	entries, err := os.ReadDir(s.blobs)
	if err != nil {
		return nil, fmt.Errorf("list stored images: %w", err)
	}
	var ds []Digest
	for _, e := range entries {
		if d, err := ParseDigest(e.Name()); err == nil && e.Type().IsRegular() {
			ds = append(ds, d)
		}
	}
	return ds, nil
}

// Verify reads an image that is in the store, and says in what it is not the one
// of that digest. It returns how many bytes were read.
func (s *Store) Verify(ctx context.Context, d Digest) (size int64, err error) {
	f, err := s.Open(d)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, inflate.NewSource(ctx, f)); err != nil {
		return size, err
	}
	if found := Digest(h.Sum(nil)); found != d {
		return size, fmt.Errorf("its content is not what its name says: it has the digest %v", found)
	}
	return size, nil
}

// path returns where the image lies. All images are in one directory: there
// are at most as many as unikernels, and one directory is one fsync.
func (s *Store) path(d Digest) string { return filepath.Join(s.blobs, d.String()) }

// has tells whether the image is in the store.
func (s *Store) has(d Digest) (bool, error) {
	_, err := os.Lstat(s.path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// syncDir makes the entries of dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
