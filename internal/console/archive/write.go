package archive

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// errClosed is the error where the archive is being closed.
var errClosed = errors.New("the logs of consoles are closed")

// write writes lines to the files. It makes known which numbers they have, even if
// there are none. Lines that cannot be written are lost; their numbers are used up.
// The writer goroutine calls it.
func (l *Log) write(all []batch) {
	if l.unresumed() {
		l.resume()
	}
	if len(all) == 0 {
		return
	}
	a := l.archive
	var errs []error
	for i := range all {
		l.tokens.Pay(len(all[i].buf))
		errs = append(errs, l.writeBlocks(all[i]))
		all[i].free()
	}
	a.failures.note(l.name, errors.Join(errs...), time.Now())
	a.durable.soon()
	a.mu.Lock()
	l.written = time.Now()
	doomed := a.excess()
	a.mu.Unlock()
	a.remove(doomed)
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
			l.lost(b.heads[i].first + l.base)
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
	f, err := l.openSegment(newest.first, os.O_WRONLY)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(p, newest.size); err != nil {
		return errors.Join(err, f.Truncate(newest.size), f.Close())
	}
	l.grow(int64(len(p)))
	return f.Close()
}

// begin begins a segment with p, and makes room for a whole one: not before there is a
// file, so that nothing is deleted for the sake of a disk that cannot be written to.
func (l *Log) begin(first int64, p []byte, limit int64) error {
	f, err := l.createSegment(first)
	if err != nil {
		return fmt.Errorf("beginning a new segment: %w", err)
	}
	a := l.archive
	a.mu.Lock()
	doomed := a.surplus(l, limit, 0)
	a.mu.Unlock()
	a.remove(doomed)
	if _, err := f.Write(p); err != nil {
		return errors.Join(err, f.Close(), l.removeSegment(first))
	}
	a.mu.Lock()
	a.change(l, func() { l.spans = append(l.spans, span{first, int64(len(p))}) })
	a.mu.Unlock()
	return f.Close()
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

// lost looks for what there is of the log after its newest segment was gone: somebody
// has removed it, or another disk lies in its place, whose segments are of no use if
// their numbers are not below that of the next line.
func (l *Log) lost(next int64) {
	spans, _, _ := l.list() // there is nothing where nothing can be found
	spans = slices.DeleteFunc(spans, func(s span) bool { return s.first >= next })
	a := l.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change(l, func() { l.spans = spans })
	l.salted = false
}
