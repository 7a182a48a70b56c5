package archive

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"albatross/internal/console/lines"
)

// DefaultWindow is how many bytes a Reader reads at once.
const DefaultWindow = 64 << 10

// Reader reads what a log has. Lines have numbers that count from the first line
// that this process gave the log: those of earlier processes are negative. It
// holds nothing open, and may be used by one goroutine at a time.
type Reader struct {
	Window int // bytes that are read at once, or a block of lines if that is longer

	log   *Log
	spans []span
	base  int64
}

// Reader has all written that the log was given before, and returns what reads it.
// It waits for the disk, until ctx ends.
func (l *Log) Reader(ctx context.Context) (*Reader, error) {
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	l.archive.mu.Lock()
	defer l.archive.mu.Unlock()
	return &Reader{Window: DefaultWindow, log: l, spans: slices.Clone(l.spans), base: l.base}, nil
}

// settle has all that l was given written, and returns then or when ctx ends.
func (l *Log) settle(ctx context.Context) error {
	done := make(chan struct{})
	l.mu.Lock()
	l.waiting = append(l.waiting, done)
	l.mu.Unlock()
	l.archive.writer.schedule(l)
	select {
	case <-done:
		return nil
	case <-l.archive.writer.stop:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// First returns the number that the oldest line has or had, and false if there is
// none.
func (r *Reader) First() (number int64, found bool) {
	if len(r.spans) == 0 {
		return 0, false
	}
	return r.spans[0].first - r.base, true
}

// Since returns the number of the line behind the newest one that is older than t,
// of the first line if there is no older one. Where the clock was set back it may
// be an earlier one.
func (r *Reader) Since(t time.Time) int64 {
	bound := t.UnixMilli()
	from := int64(0)
	for i, s := range slices.Backward(r.spans) {
		from = s.first
		older, found := false, false
		r.walk(s, func(b block) bool { // up to the first one
			older, found = b.time < bound, true
			return false
		})
		if !found || !older && i > 0 {
			continue
		}
		r.walk(s, func(b block) bool {
			ms := b.time
			b.each(func(i int, since int64, _ []byte) bool {
				if ms += since; ms < bound {
					from = b.first + int64(i) + 1
				}
				return true
			})
			return true
		})
		break
	}
	return from - r.base
}

// Lines returns the lines with numbers from one up to, and without, another one, in
// the order of their numbers. Some may be missing. A line must not be used after
// the iteration went on.
func (r *Reader) Lines(from, until int64) iter.Seq2[int64, lines.Line] {
	next, until := from+r.base, until+r.base
	return func(yield func(int64, lines.Line) bool) {
		begin := 0 // the segment that has the first one, or would have it
		for i, s := range r.spans {
			if s.first <= next {
				begin = i
			}
		}
		more := true
		for _, s := range r.spans[begin:] {
			if !more || s.first >= until {
				return
			}
			r.walk(s, func(b block) bool {
				if b.end() <= next {
					return true
				}
				ms := b.time
				b.each(func(i int, since int64, text []byte) bool {
					ms += since
					n := b.first + int64(i)
					if n < next {
						return true
					}
					if more = n < until; more {
						next = n + 1
						more = yield(n-r.base, lines.Line{Time: time.UnixMilli(ms).UTC(), Text: text})
					}
					return more
				})
				return more
			})
		}
	}
}

// each calls f with the lines of b, until it returns false.
func (b block) each(f func(i int, since int64, text []byte) bool) {
	rest := b.payload
	for i := range b.lines {
		var since int64
		var text []byte
		if since, text, rest, _ = cutLine(rest); !f(i, since, text) { // the block is whole
			return
		}
	}
}

// walk calls each with the blocks of a segment until it returns false. A segment
// that was deleted meanwhile has none; one that cannot be read is left out.
func (r *Reader) walk(s span, each func(b block) bool) {
	f := reopened{r.log, s.first}
	salt, ok, err := readPrefix(f)
	if ok && err == nil {
		err = walk(f, prefixSize, s.size, salt, r.Window, func(b block, _ int64) bool {
			return b.first < s.first || each(b)
		})
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.archive.log.Warn("a part of a console's log cannot be read", "unikernel", r.log.name, "error", err)
	}
}

// reopened is a segment that is open only while it is read: when it is deleted, its
// space is free, however slowly somebody reads it.
type reopened struct {
	log   *Log
	first int64
}

func (r reopened) ReadAt(p []byte, at int64) (n int, err error) {
	f, err := r.log.openSegment(r.first, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	n, err = f.ReadAt(p, at)
	return n, errors.Join(err, f.Close())
}
