package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// snapshot is how far the log has come.
type snapshot struct {
	spans   []span
	next    int64           // sequence number of the event after them
	changed <-chan struct{} // closed when there is more
	closed  bool            // there will not be more
}

func (l *Log) snapshot() snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return snapshot{slices.Clone(l.spans), l.next, l.changed, l.closed}
}

// cursor is a place in the log. It holds nothing open.
type cursor struct {
	log     *Log
	segment int64 // that it is in, or before
	offset  int64 // of the next line
	last    int64 // sequence number before the one that is expected next
	known   int64 // events up to this one are passed over
	within  bool  // the offset is within a line that is too long
	damaged int   // lines that are no events, so far
	buf     []byte
}

// oldest returns the place of the first event of a snapshot.
func (l *Log) oldest(s snapshot) *cursor {
	c := &cursor{log: l, last: s.next - 1}
	if len(s.spans) > 0 {
		c.segment = s.spans[0].first
		c.last = c.segment - 1
	}
	return c
}

// behind returns the place behind an event, which may not be there any more.
func (l *Log) behind(s snapshot, sequence int64) *cursor {
	c := &cursor{log: l, last: sequence, known: sequence}
	for _, p := range s.spans {
		if c.segment == 0 || p.first <= sequence+1 {
			c.segment = p.first
		}
	}
	return c
}

// lastOf returns the place of the count-th last event of n, or of the first one
// if there are fewer.
func (l *Log) lastOf(s snapshot, n vm.Name, count int) (*cursor, error) {
	c := &cursor{log: l, last: s.next - 1}
	if len(s.spans) > 0 {
		newest := s.spans[len(s.spans)-1]
		c.segment, c.offset = newest.first, newest.size
	}
	for _, p := range slices.Backward(s.spans) {
		f, err := os.Open(l.path(p.first))
		if errors.Is(err, fs.ErrNotExist) {
			return c, nil // just deleted, as are those before it
		}
		if err != nil {
			return nil, err
		}
		err = backward(f, p.size, func(at int64, line []byte) bool {
			e, err := parseLine(line)
			if err != nil || e.Sequence < p.first || e.Sequence >= s.next || !n.Contains(e.Name) {
				return true
			}
			c.segment, c.offset, c.last = p.first, at, e.Sequence-1
			count--
			return count > 0
		})
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		if count <= 0 {
			break
		}
	}
	return c, nil
}

// read calls each with what there is up to the end of a snapshot, and moves on.
// Segments that were deleted meanwhile are missing like any other gap.
func (c *cursor) read(ctx context.Context, s snapshot, each func(api.Event) error) error {
	for _, p := range s.spans {
		if p.first < c.segment {
			continue
		}
		if p.first > c.segment {
			c.segment, c.offset, c.within = p.first, 0, false
		}
		for c.offset < p.size {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err := c.chunk(p, s.next, each)
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	c.log.met(c.damaged)
	return nil
}

// chunk reads some of a segment, and calls each with the events in it.
func (c *cursor) chunk(p span, next int64, each func(api.Event) error) error {
	if c.buf == nil {
		c.buf = make([]byte, chunkSize)
	}
	f, err := os.Open(c.log.path(p.first))
	if err != nil {
		return err
	}
	n, err := f.ReadAt(c.buf[:min(chunkSize, p.size-c.offset)], c.offset)
	short := err == io.EOF // somebody else has cut it
	if short {
		err = nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	last := short || c.offset+int64(n) == p.size
	if err := c.lines(c.buf[:n], last, next, each); err != nil || !last {
		return err
	}
	c.offset, c.within = p.size, false
	return nil
}

// lines calls each with the events of a chunk, and moves behind them. What is left
// of the chunk is the beginning of a line that the next chunk has, unless it is
// longer than any event or the chunk is the last one.
func (c *cursor) lines(b []byte, last bool, next int64, each func(api.Event) error) error {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		line := b[:i]
		b = b[i+1:]
		c.offset += int64(i) + 1
		if c.within {
			c.within = false
			continue
		}
		if err := c.event(line, next, each); err != nil {
			return err
		}
	}
	if len(b) > maxLine || last && len(b) > 0 {
		if !c.within {
			c.damaged++
		}
		c.offset += int64(len(b))
		c.within = true
	}
	return nil
}

// event calls each with the event of a line, and before with how many are missing
// in front of it.
func (c *cursor) event(line []byte, next int64, each func(api.Event) error) error {
	e, err := parseLine(line)
	if err == nil && e.Sequence <= c.known {
		return nil
	}
	if err != nil || e.Sequence < c.segment || e.Sequence <= c.last || e.Sequence >= next {
		c.damaged++
		return nil
	}
	missing := e.Sequence - c.last - 1
	c.last = e.Sequence
	if missing > 0 {
		if err := each(lost(missing, e.Sequence-1, e.At)); err != nil {
			return err
		}
	}
	return each(e)
}

// lost stands for events that are missing, up to one with that number.
func lost(count, sequence int64, at time.Time) api.Event {
	text := fmt.Sprintf("%d events are missing here", count)
	if count == 1 {
		text = "an event is missing here"
	}
	return api.Event{Sequence: sequence, At: at, Kind: api.EventLost, Text: text}
}

// met tells the logger that a reader met damaged lines, unless it was told of as
// many.
func (l *Log) met(damaged int) {
	l.mu.Lock()
	more := damaged > l.damaged
	l.damaged = max(l.damaged, damaged)
	l.mu.Unlock()
	if more {
		l.log.Warn("lines of the event log are damaged; they are left out", "dir", l.dir, "lines", damaged)
	}
}
