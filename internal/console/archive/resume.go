package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
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
	var next int64
	var err error
	if len(spans) == 0 { // or it could not be read before
		spans, _, err = l.list()
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		spans, next, err = l.newest(spans)
	}
	if err != nil {
		a.log.Warn("the end of a console's log cannot be read; a new segment is begun", "unikernel", l.name, "error", err)
		if len(spans) == 0 {
			next = time.Now().UnixMicro() // it never had as many lines
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change(l, func() { l.spans = spans })
	l.base = next
}

// newest returns those segments in which there can be lines, and the number behind the
// last one. After an error it is a number that no line can have.
func (l *Log) newest(spans []span) (left []span, next int64, err error) {
	for len(spans) > 0 {
		newest := &spans[len(spans)-1]
		number, end, err := l.examine(*newest)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return spans, newest.first + newest.size, err // it has fewer lines than bytes
		}
		if end > 0 {
			newest.size = end
			return spans, number, nil
		}
		spans = spans[:len(spans)-1]
	}
	return nil, 1, nil
}

// errPrefix says that no line of a segment can be read, though it may have some.
var errPrefix = errors.New("its first bytes are damaged")

// examine looks for the last line of a segment, cuts off what follows, and returns
// the number behind it and the size that is left. A segment in which there can be
// no lines is deleted, and has none.
func (l *Log) examine(s span) (next, end int64, err error) {
	f, err := l.openSegment(s.first, os.O_RDWR)
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
	switch {
	case !ok && info.Size() > prefixSize:
		return 0, 0, errPrefix
	case !ok: // a crash came before the first line
		return 0, 0, l.removeSegment(s.first)
	}
	next, end, err = lastLine(f, s.first, info.Size(), salt)
	if err != nil {
		return 0, 0, err
	}
	if cut := info.Size() - end; cut > 0 {
		l.archive.log.Info("a console's log ends in what is no line, which is cut off", "unikernel", l.name, "bytes", cut)
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
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return s, false, err
	}
	s, ok = parsePrefix(b[:n])
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
