package block

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"albatross/internal/steps"
	"albatross/internal/vm"
)

const (
	megabyte = 1 << 20
	tmpDir   = ".tmp" // no colon: no device has that name
)

// Store is a directory of block devices. Its methods may be called from any
// number of goroutines. Only one Store may be open for a directory: Open removes
// what it takes for the leftovers of a crash.
type Store struct {
	dir   string
	tmp   string // in the file system of dir, so that rename and link work
	steps steps.Steps
}

// Device is a block device.
type Device struct {
	Name vm.Name
	Size int // MB
}

// Stray is something in the directory that is no block device.
type Stray struct {
	File   string // its name in the directory; it may hold any bytes
	Reason string // why it is none
}

// Open opens the devices in dir, which is made if it does not exist, for the
// owner of the process alone. What a former process did not finish is removed.
// The steps of what changes the directory are told to done, which may be nil.
func Open(dir string, done steps.Steps) (*Store, error) {
	s := &Store{dir: dir, tmp: filepath.Join(dir, tmpDir), steps: done}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("open block devices: %w", err)
	}
	return s, nil
}

// View is the devices in dir for looking only: nothing in it is made or removed.
func View(dir string) *Store { return &Store{dir: dir, tmp: filepath.Join(dir, tmpDir)} }

func (s *Store) prepare() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(s.tmp, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if fi, err := os.Lstat(s.tmp); err != nil {
		return err
	} else if !fi.IsDir() {
		return fmt.Errorf("%s is no directory: remove it", s.tmp)
	}
	leftovers, err := os.ReadDir(s.tmp)
	if err != nil {
		return err
	}
	for _, e := range leftovers {
		if err := os.RemoveAll(filepath.Join(s.tmp, e.Name())); err != nil {
			return err
		}
	}
	// A crash may have come between a rename and the sync of the directory.
	// From here on, what is listed is durable.
	return errors.Join(syncDir(filepath.Dir(s.dir)), syncDir(s.dir))
}

// List returns all devices, in the order of their names' wire forms, and what
// else is in the directory.
func (s *Store) List() (devices []Device, strays []Stray, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list block devices: %w", err)
	}
	for _, e := range entries {
		if e.Name() == tmpDir {
			continue
		}
		d, err := look(e)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was removed just now
		case errors.Is(err, ErrNotDevice):
			strays = append(strays, Stray{File: e.Name(), Reason: err.Error()})
		case err != nil:
			return nil, nil, fmt.Errorf("list block devices: %w", err)
		default:
			devices = append(devices, d)
		}
	}
	return devices, strays, nil
}

// look returns the device that an entry of the directory is.
func look(e fs.DirEntry) (Device, error) {
	n, ok := deviceName(e.Name())
	if !ok {
		return Device{}, fmt.Errorf("%w: its name is not that of one", ErrNotDevice)
	}
	fi, err := e.Info() // of a symbolic link, not of what it leads to
	if err != nil {
		return Device{}, err
	}
	size, err := deviceSize(fi)
	return Device{Name: n, Size: int(size / megabyte)}, err
}

// Get returns one device. The error matches ErrNotFound or ErrNotDevice if there
// is none.
func (s *Store) Get(n vm.Name) (Device, error) {
	fi, err := s.stat(n)
	if err != nil {
		return Device{}, about("look at", n, err)
	}
	size, err := deviceSize(fi)
	if err != nil {
		return Device{}, about("look at", n, err)
	}
	return Device{Name: n, Size: int(size / megabyte)}, nil
}

// stat returns what the name of a device leads to, if that is a regular file.
func (s *Store) stat(n vm.Name) (fs.FileInfo, error) {
	if n.IsPath() {
		return nil, invalidf("a path is not the name of a device")
	}
	fi, err := os.Lstat(s.path(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return fi, regular(fi)
}

// path returns where the file of a device lies.
func (s *Store) path(n vm.Name) string { return filepath.Join(s.dir, n.FileName()) }

// deviceName returns the name of the device whose file has that name; false if
// no device has such a file. Each device has exactly one.
func deviceName(file string) (vm.Name, bool) {
	n, err := vm.ParseWireName(file)
	if err != nil || n.IsPath() || n.FileName() != file {
		return vm.Name{}, false
	}
	return n, true
}

// deviceSize returns the size of a device in bytes.
func deviceSize(fi fs.FileInfo) (int64, error) {
	if err := regular(fi); err != nil {
		return 0, err
	}
	if fi.Size() <= 0 || fi.Size()%megabyte != 0 {
		return 0, fmt.Errorf("%w: it has %d bytes, which is no whole number of megabytes", ErrNotDevice, fi.Size())
	}
	return fi.Size(), nil
}

func regular(fi fs.FileInfo) error {
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no regular file (%s)", ErrNotDevice, fi.Mode().Type())
	}
	return nil
}

// syncDir makes the entries of dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
