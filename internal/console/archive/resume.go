package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// tailSize is how much of the end of a segment is looked at first: more than the
// longest block, and what may be left of one behind it.
const tailSize = 2*(headSize+maxPayload) + 1

// resume finds out which number the next line has, and where it goes.
func (l *Log) resume() {
	a := l.archive
	a.mu.Lock()
	spans := slices.Clone(l.spans)
	a.mu.Unlock()
	next := int64(1)
	for len(spans) > 0 {
		newest := &spans[len(spans)-1]
		number, end, err := l.examine(*newest)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("the end of a console's log cannot be read; a new segment is begun", "console", l.name, "error", err)
			next = newest.first + newest.size // it has fewer lines than bytes
			break
		}
		if end > 0 {
			next, newest.size = number, end
			break
		}
		spans = spans[:len(spans)-1] // no line can be in it
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change(l, func() { l.spans = spans })
	l.base = next
}

// examine looks for the last line of a segment, cuts off what follows, and returns
// the number behind it and the size that is left. A segment in which there can be
// no lines is deleted, and has none.
func (l *Log) examine(s span) (next, end int64, err error) {
	f, err := os.OpenFile(l.path(s.first), os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	salt, ok, err := readPrefix(f)
	if err != nil {
		return 0, 0, err
	}
	if !ok {
		return 0, 0, os.Remove(f.Name())
	}
	next, end, err = lastLine(f, s.first, info.Size(), salt)
	if err != nil {
		return 0, 0, err
	}
	if cut := info.Size() - end; cut > 0 {
		l.archive.log.Info("a console's log ends in what is no line, which is cut off", "console", l.name, "bytes", cut)
		if err := f.Truncate(end); err != nil {
			return 0, 0, err
		}
	}
	l.salt, l.salted = salt, true
	return next, end, nil
}

// readPrefix reads the first bytes of a segment; ok is false if they are damaged
// or missing.
func readPrefix(f io.ReaderAt) (s salt, ok bool, err error) {
	var b [prefixSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return s, false, err
	}
	s, ok = parsePrefix(b[:])
	return s, ok, nil
}

// lastLine returns the number behind the last line of a segment, and where that
// line ends.
func lastLine(f io.ReaderAt, first, size int64, s salt) (next, end int64, err error) {
	next, end = first, prefixSize
	note := func(b block, behind int64) bool {
		if b.first >= next {
			next, end = b.end(), behind
		}
		return true
	}
	if err := walk(f, max(prefixSize, size-tailSize), size, s, tailSize, note); err != nil || next > first {
		return next, end, err
	}
	return next, end, walk(f, prefixSize, size, s, tailSize, note)
}
