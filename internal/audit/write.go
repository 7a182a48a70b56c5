package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// keepBuffer is the most bytes that are kept for the next write.
const keepBuffer = 1 << 20

// write makes records durable, as many as fit into one segment, and says how many
// were tried. writing is held, as for all below.
func (l *Log) write(queue []*waiting) (n int, err error) {
	if l.closed {
		return len(queue), ErrClosed
	}
	if err := l.cutRest(); err != nil {
		return len(queue), err
	}
	b, last, n, err := l.fill(queue)
	if err == nil && n == 0 {
		if err = l.begin(); err == nil {
			b, last, n, err = l.fill(queue)
		}
	}
	if err != nil {
		return len(queue), err
	}
	beginning := l.size == 0
	if err := l.store(b); err != nil {
		return n, err
	}
	l.tail = last
	l.size += int64(len(b))
	l.mu.Lock()
	l.spans[len(l.spans)-1].size = l.size
	l.ours = last
	l.mu.Unlock()
	if beginning {
		l.rotate()
	}
	return n, nil
}

// fill returns the lines of as many records as the segment has room for, and the
// last of them.
func (l *Log) fill(queue []*waiting) (b []byte, last tail, n int, err error) {
	b, last = l.buf[:0], l.tail
	if l.file == nil {
		return b, last, 0, nil
	}
	for _, w := range queue {
		r := w.record
		r.Sequence, r.Prev = last.sequence+1, last.hash
		begin := len(b)
		if l.size == 0 && begin == 0 {
			r.Oldest = l.oldest()
		}
		var hash string
		if b, hash, err = appendLine(b, r); err != nil {
			return nil, last, 0, err
		}
		if begin+int(l.size) > 0 && l.size+int64(len(b)) > l.part {
			b = b[:begin]
			break
		}
		last = tail{r.Sequence, hash}
		n++
	}
	l.buf = nil
	if cap(b) <= keepBuffer {
		l.buf = b
	}
	return b, last, n, nil
}

// oldest returns the number of the oldest record that rotation keeps from now on.
func (l *Log) oldest() int64 {
	spans, _ := l.snapshot()
	return spans[max(0, len(spans)-l.keep)].first
}

// store brings lines to the disk, behind what is there.
func (l *Log) store(b []byte) error {
	_, err := l.file.WriteAt(b, l.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err == nil && l.unnamed {
		if err = syncDirectory(l.dir); err == nil {
			l.unnamed = false
		}
	}
	if err != nil {
		l.rest = true
		err = errors.Join(err, l.cutRest())
	}
	return err
}

// cutRest cuts off what a write that failed may have left, so that no record is in
// the log whose append failed, and none that follows is glued to a part of one.
func (l *Log) cutRest() error {
	if !l.rest {
		return nil
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("cutting off what could not be written: %w", err)
	}
	l.rest = false
	return nil
}

// begin begins a new segment.
func (l *Log) begin() error {
	first := l.tail.sequence + 1
	f, err := l.create(segmentPath(l.dir, first))
	if err != nil {
		return fmt.Errorf("beginning a new segment: %w", err)
	}
	if l.file != nil {
		if err := l.file.Close(); err != nil { // all of it was durable before
			l.log.Warn("cannot close a segment of the audit log", "error", err)
		}
	}
	l.file, l.size, l.unnamed = f, 0, true
	l.mu.Lock()
	l.spans = append(l.spans, span{first: first})
	l.mu.Unlock()
	return nil
}

// rotate deletes the oldest segments, once the first record of the newest says so.
func (l *Log) rotate() {
	l.mu.Lock()
	n := max(0, len(l.spans)-l.keep)
	old := slices.Clone(l.spans[:n])
	l.spans = slices.Delete(l.spans, 0, n)
	l.mu.Unlock()
	for _, s := range old {
		if err := os.Remove(segmentPath(l.dir, s.first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.Error("an old segment of the audit log cannot be deleted", "error", err)
		}
	}
}

// makeDirectory makes a directory for nobody else, and those above it, durably.
func makeDirectory(dir string) error {
	fi, err := os.Stat(dir)
	switch {
	case err == nil && fi.IsDir():
		if fi.Mode().Perm()&0o077 != 0 {
			return os.Chmod(dir, 0o700)
		}
		return nil
	case err == nil:
		return fmt.Errorf("%s is no directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := makeDirectory(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return syncDirectory(parent)
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
