package block

import (
	"errors"

	"albatross/internal/linux"
	"albatross/internal/vm"
)

// Attach opens a device for a unikernel that uses sectors of that many bytes,
// and returns its size in bytes. The device is in use, for Attach and everything
// else, until the descriptor and all its duplicates are closed, also those in
// other processes; with them it ends at the latest.
//
// The error matches ErrNotFound or ErrNotDevice if there is no such device,
// ErrInUse if it is in use, ErrInvalid if its size is no multiple of sector.
func (s *Store) Attach(n vm.Name, sector int) (*linux.FD, int64, error) {
	fd, size, err := s.attach(n, int64(sector))
	return fd, size, about("attach", n, err)
}

func (s *Store) attach(n vm.Name, sector int64) (*linux.FD, int64, error) {
	l, err := s.lock(n, toChange)
	if err != nil {
		return nil, 0, err
	}
	fd, err := handOver(l, sector)
	if err != nil {
		return nil, 0, errors.Join(err, l.unlock())
	}
	// Closed without unlocking: the lock goes with the duplicate.
	if err := l.Close(); err != nil {
		return nil, 0, errors.Join(err, fd.Close())
	}
	return fd, l.size, nil
}

// handOver returns a duplicate of the descriptor for a unikernel.
func handOver(l *locked, sector int64) (*linux.FD, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	if sector <= 0 || l.size%sector != 0 {
		return nil, invalidf("its size of %d MB is no multiple of the sector size of %d bytes", l.size/megabyte, sector)
	}
	fd, err := linux.FromFile(l.File)
	if err != nil {
		return nil, err
	}
	if err := fd.SetNonblock(false); err != nil { // it was opened so in case it was no file
		return nil, errors.Join(err, fd.Close())
	}
	return fd, nil
}

// check says whether the file that is locked is a device.
func (l *locked) check() error {
	fi, err := l.Stat()
	if err == nil {
		_, err = deviceSize(fi)
	}
	return err
}
