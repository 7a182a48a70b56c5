package block

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"syscall"

	"albatross/internal/vm"
)

// maxSize is the largest size in MB that is a number of bytes as well.
const maxSize = math.MaxInt64 / megabyte

// Create makes a device of size MB, full of zeros, durably. It takes no space
// before it is written to. The error matches ErrExists if there is anything of
// that name.
func (s *Store) Create(n vm.Name, size int) error {
	return about("create", n, s.create(n, size))
}

func (s *Store) create(n vm.Name, size int) (err error) {
	switch {
	case n.IsPath():
		return invalidf("a path is not the name of a device")
	case size <= 0 || size > maxSize:
		return invalidf("a size of %d MB is not possible: it must be at least 1", size)
	}
	f, err := os.CreateTemp(s.tmp, "create-*")
	if err != nil {
		return err
	}
	s.steps.Done("block file made")
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if err := resize(f, int64(size)*megabyte); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	s.steps.Done("block file synced")
	// Unlike a rename, a link never replaces anything.
	if err := os.Link(f.Name(), s.path(n)); errors.Is(err, fs.ErrExist) {
		return ErrExists
	} else if err != nil {
		return err
	}
	s.steps.Done("block file linked")
	if err := syncDir(s.dir); err != nil {
		return errors.Join(err, os.Remove(s.path(n)))
	}
	s.steps.Done("block directory synced")
	return nil
}

// resize gives a file its size.
func resize(f *os.File, bytes int64) error {
	err := f.Truncate(bytes)
	if errors.Is(err, syscall.EFBIG) {
		return invalidf("a size of %d MB is not possible: the file system takes no file of that size", bytes/megabyte)
	}
	return err
}

// Remove removes a device and its content, durably. The error matches ErrInUse
// if it is in use. A file of an odd size, such as a failed upload to Albatross
// 2.7 leaves, is removed as well.
func (s *Store) Remove(n vm.Name) error {
	return about("remove", n, s.remove(n))
}

func (s *Store) remove(n vm.Name) (err error) {
	l, err := s.lock(n, toChange)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.unlock()) }()
	if err := os.Remove(s.path(n)); err != nil {
		return err
	}
	s.steps.Done("block file removed")
	return syncDir(s.dir)
}
