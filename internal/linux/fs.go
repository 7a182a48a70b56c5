package linux

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned by FlockExclusive if someone else holds the lock.
var ErrLocked = errors.New("locked by another process")

// FlockExclusive takes the exclusive lock (flock(2)) of an open file without
// waiting. The lock lasts until f and all its duplicates are closed, at the
// latest when the processes that have them end, however they end. If another
// open file has the lock the error is ErrLocked.
func FlockExclusive(f *os.File) error {
	err := withFile(f, func(raw int) error { return unix.Flock(raw, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

// MountedNoexec reports whether f is on a mount with the noexec option: such a
// file can neither be executed nor mapped with PROT_EXEC.
func MountedNoexec(f *os.File) (bool, error) {
	var st unix.Statfs_t
	if err := withFile(f, func(raw int) error { return unix.Fstatfs(raw, &st) }); err != nil {
		return false, fmt.Errorf("get mount options of %s: %w", f.Name(), err)
	}
	return st.Flags&unix.ST_NOEXEC != 0, nil
}

// FreeBytes returns how much an unprivileged user can still write to the file
// system that dir is on.
func FreeBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil {
		return 0, fmt.Errorf("get free space of %s: %w", dir, err)
	}
	unit := uint64(st.Frsize)
	if unit == 0 {
		unit = uint64(st.Bsize)
	}
	if unit != 0 && st.Bavail > math.MaxUint64/unit { // FUSE may claim anything
		return math.MaxUint64, nil
	}
	return st.Bavail * unit, nil
}

// DiskBytes returns the size of the file system that dir is on.
func DiskBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil {
		return 0, fmt.Errorf("get size of %s: %w", dir, err)
	}
	return st.Blocks * uint64(st.Frsize), nil
}
