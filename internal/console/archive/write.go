package archive

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// errClosed is the error where the archive is being closed.
var errClosed = errors.New("the logs of consoles are closed")

// write writes lines to the files. It makes known which numbers they have, even if
// there are none. Lines that cannot be written are lost; their numbers are used up.
// The writer goroutine calls it.
func (l *Log) write(b batch) {
	if l.unresumed() {
		l.resume()
	}
	if len(b.heads) == 0 {
		return
	}
	l.tell(l.writeBlocks(b))
	a := l.archive
	a.durable.soon()
	a.mu.Lock()
	l.written = time.Now()
	doomed := a.excess()
	a.mu.Unlock()
	a.remove(doomed)
}

// tellPause is how long after a failure to write was told another one is not.
const tellPause = time.Minute

// tell tells the logger that a log cannot be written, and that it can again: of one
// where none can.
func (l *Log) tell(err error) {
	a := l.archive
	switch {
	case err == nil && l.told:
		a.log.Warn("what a unikernel writes is recorded again", "console", l.name)
	case err != nil && !l.told && time.Since(a.toldAt) > tellPause:
		a.log.Error("what a unikernel writes cannot be recorded", "console", l.name, "error", err)
		a.toldAt = time.Now()
		l.told = true
	}
	l.told = l.told && err != nil
}

func (l *Log) unresumed() bool {
	l.archive.mu.Lock()
	defer l.archive.mu.Unlock()
	return l.base == 0
}

// writeBlocks writes the blocks of b, as many at once as fit into a segment.
func (l *Log) writeBlocks(b batch) error {
	var errs []error
	for i := 0; i < len(b.heads); {
		n, err := l.writeSome(b, i)
		if err != nil && errors.Is(err, fs.ErrNotExist) {
			l.lost() // somebody has removed the newest segment
			n, err = l.writeSome(b, i)
		}
		errs = append(errs, err)
		i += max(n, 1)
	}
	return errors.Join(errs...)
}

// writeSome writes blocks from the i-th on to one segment, and returns how many.
func (l *Log) writeSome(b batch, i int) (n int, err error) {
	limit, newest, found := l.room()
	end := func(k int) int64 {
		if k+1 < len(b.starts) {
			return int64(b.starts[k+1])
		}
		return int64(len(b.buf))
	}
	from := int64(b.starts[i])
	if !found || !l.salted || newest.size+end(i)-from > limit {
		newest, found = span{first: b.heads[i].first + l.base}, false
		_, _ = rand.Read(l.salt[:]) // never fails
		l.salted = true
	}
	offset := newest.size
	for n = 1; i+n < len(b.heads) && offset+end(i+n)-from <= limit; n++ {
	}
	for k := range n {
		b.block(i+k, l.base, l.salt)
	}
	p := b.buf[from:end(i+n-1)]
	if found {
		return n, l.appendTo(newest, p)
	}
	if err := l.begin(newest.first, append(appendPrefix(nil, l.salt), p...), limit); err != nil {
		l.salted = false // the newest segment has another one
		return n, err
	}
	return n, nil
}

// room returns how large a segment may become, and the newest one, if there is any.
func (l *Log) room() (limit int64, newest span, found bool) {
	a := l.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	limit = a.segmentSize()
	if n := len(l.spans); n > 0 {
		return limit, l.spans[n-1], true
	}
	return limit, newest, false
}

// appendTo writes p behind what there is of the newest segment. What a write that
// failed has left there is written over.
func (l *Log) appendTo(newest span, p []byte) error {
	f, err := os.OpenFile(l.path(newest.first), os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(p, newest.size); err != nil {
		return errors.Join(err, f.Truncate(newest.size), f.Close())
	}
	l.grow(int64(len(p)))
	return f.Close()
}

// begin begins a segment with p, after it has made room for one.
func (l *Log) begin(first int64, p []byte, limit int64) error {
	l.makeRoom(limit)
	path := l.path(first)
	f, err := l.create(path)
	if err != nil {
		return fmt.Errorf("beginning a new segment: %w", err)
	}
	if _, err := f.Write(p); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	a := l.archive
	a.mu.Lock()
	a.change(l, func() { l.spans = append(l.spans, span{first, int64(len(p))}) })
	a.mu.Unlock()
	return f.Close()
}

// create makes the file of a segment, and its directory if it is missing. There
// may be a file of that name if it has no line.
func (l *Log) create(path string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC | syscall.O_NOFOLLOW
	f, err := os.OpenFile(path, flags, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(l.dir(), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, flags, 0o600)
}

// grow notes that the newest segment has grown.
func (l *Log) grow(by int64) {
	a := l.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(l.spans); n > 0 {
		a.change(l, func() { l.spans[n-1].size += by })
	}
}

// makeRoom deletes the oldest segments until another one fits.
func (l *Log) makeRoom(limit int64) {
	a := l.archive
	var doomed []segment
	a.mu.Lock()
	size := limit
	for _, s := range l.spans {
		size += s.size
	}
	for size > a.each && len(l.spans) > 0 {
		size -= l.spans[0].size
		doomed = append(doomed, a.takeOldest(l))
	}
	a.mu.Unlock()
	a.remove(doomed)
}

// lost forgets the newest segment.
func (l *Log) lost() {
	a := l.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(l.spans); n > 0 {
		a.change(l, func() { l.spans = slices.Delete(l.spans, n-1, n) })
	}
	l.salted = false
}
