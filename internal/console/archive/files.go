package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// errNoDirectory says that something else has the name of a log.
var errNoDirectory = errors.New("it is no directory")

// dirFlags open a directory, and never wait for what else may have its name.
const dirFlags = os.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NONBLOCK

// in calls f with the directory of all logs: nothing outside of it is opened, made or
// removed, whatever symbolic links there are. It is looked for each time, for its disk
// may go and come back.
func (a *Archive) in(f func(all *os.Root) error) error {
	all, err := os.OpenRoot(a.dir)
	if err != nil {
		return err
	}
	defer func() { _ = all.Close() }() // only looked up in
	return f(all)
}

// inRealDir reports it as an error if the log's directory is something else, as a
// symbolic link to that of another one.
func (l *Log) inRealDir(all *os.Root) error {
	info, err := all.Lstat(l.dir())
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s: %w", l.dir(), errNoDirectory)
	}
	return err
}

// dir returns the name of the log's directory in that of all.
func (l *Log) dir() string { return l.name.FileName() }

// file returns the name of a segment there.
func (l *Log) file(first int64) string { return filepath.Join(l.dir(), segmentName(first)) }

// makeDir makes the directory of the log, and that of all logs if it is missing.
func (l *Log) makeDir() error {
	if err := os.MkdirAll(l.archive.dir, 0o700); err != nil {
		return err
	}
	return l.archive.in(func(all *os.Root) error {
		if err := all.Mkdir(l.dir(), 0o700); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
}

// openSegment opens a segment. Something else that has its name, and for which
// opening would wait, fails later.
func (l *Log) openSegment(first int64, flags int) (f *os.File, err error) {
	err = l.archive.in(func(all *os.Root) error {
		f, err = all.OpenFile(l.file(first), flags|syscall.O_NONBLOCK, 0o600)
		return err
	})
	return f, err
}

// createSegment makes the file of a segment, and its directory if it is missing. A
// file that is there already stays as it is, and is an error.
func (l *Log) createSegment(first int64) (*os.File, error) {
	err := l.archive.in(l.inRealDir)
	if errors.Is(err, fs.ErrNotExist) {
		err = l.makeDir()
	}
	if err != nil {
		return nil, err
	}
	return l.openSegment(first, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
}

// removeSegment removes a segment. It is no error if it is gone.
func (l *Log) removeSegment(first int64) error {
	err := l.archive.in(func(all *os.Root) error { return all.Remove(l.file(first)) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeDir removes the directory of the log if nothing is in it.
func (l *Log) removeDir() {
	_ = l.archive.in(func(all *os.Root) error { // else it stays, and nothing depends on that
		if err := l.inRealDir(all); err != nil {
			return err
		}
		return all.Remove(l.dir())
	})
}

// list returns the segments of the log, the oldest first, and when one of them was
// written to last. Whatever else is there is left alone.
func (l *Log) list() (spans []span, written time.Time, err error) {
	err = l.archive.in(func(all *os.Root) error {
		if err := l.inRealDir(all); err != nil {
			return err
		}
		dir, err := all.OpenRoot(l.dir())
		if err != nil {
			return err
		}
		defer func() { _ = dir.Close() }()
		spans, written, err = listIn(dir)
		return err
	})
	return spans, written, err
}

func listIn(dir *os.Root) (spans []span, written time.Time, err error) {
	f, err := dir.OpenFile(".", dirFlags, 0)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, e := range entries {
		first, ok := parseSegmentName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := dir.Lstat(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, time.Time{}, err
		}
		spans = append(spans, span{first, info.Size()})
		if t := info.ModTime(); t.After(written) {
			written = t
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	return spans, written, nil
}
