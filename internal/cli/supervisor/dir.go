package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/paths"
)

// Dir is the directory of one set of daemons, an absolute path.
type Dir string

// Tmp returns the directory of sockets.
func (d Dir) Tmp() paths.Tmp { return paths.Tmp(filepath.Join(string(d), "run")) }

// DB returns the directory of what must not be lost.
func (d Dir) DB() paths.DB { return paths.DB(filepath.Join(string(d), "db")) }

// Log returns the log of a program.
func (d Dir) Log(program string) string { return filepath.Join(d.logs(), program+".log") }

// ConsoleLogs returns the directory of what unikernels wrote.
func (d Dir) ConsoleLogs() string { return filepath.Join(d.logs(), "console") }

func (d Dir) logs() string { return filepath.Join(string(d), "log") }

func (d Dir) pidFile(program string) string { return filepath.Join(string(d.Tmp()), program+".pid") }

// upFile is the pid file of the supervisor, which it keeps locked.
func (d Dir) upFile() string { return d.pidFile("up") }

// Make makes the directories that are missing; its errors are for people. Others may connect to sockets,
// whose own modes say who; the rest is for the owner.
func (d Dir) Make() error {
	if err := d.Tmp().Check(); err != nil {
		return api.Errorf(api.Invalid, "%w", err).Hinted(otherDir)
	}
	for _, dir := range []struct {
		path string
		mode fs.FileMode
	}{
		{string(d), 0o755},
		{string(d.Tmp()), 0o755},
		{d.Tmp().Util(), 0o755},
		{d.Tmp().FIFOs(), 0o755},
		{string(d.DB()), 0o700},
		{d.logs(), 0o700},
	} {
		if err := os.MkdirAll(dir.path, dir.mode); err != nil {
			return d.Unusable(err)
		}
	}
	return nil
}

// otherDir is the hint where a directory is of no use.
const otherDir = "choose another one with --dir"

// Unusable says that something in the directory cannot be made or written.
func (d Dir) Unusable(err error) error {
	return api.Errorf(api.Invalid, "the directory %s cannot be used: %w", d, err).Hinted(otherDir)
}

// lock is the right to start and end the daemons of a directory.
type lock struct{ file *os.File }

// errRunning is returned by Dir.lock where a supervisor runs.
var errRunning = linux.ErrLocked

// lock takes the lock, which this process holds until it ends at the latest, or
// returns errRunning. With create, the file is made if there is none; without,
// the error is that of opening it.
func (d Dir) lock(create bool) (*lock, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(d.upFile(), flags, 0o644)
	if err != nil {
		return nil, err
	}
	if err := linux.FlockExclusive(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lock{f}, nil
}

// release empties the file and gives the lock back. The file stays: another
// process may be about to lock it.
func (l *lock) release() error { return errors.Join(l.file.Truncate(0), l.file.Close()) }
