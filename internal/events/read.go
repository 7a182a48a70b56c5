package events

import (
	"context"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// Wanted says which events are wanted.
type Wanted struct {
	Name  vm.Name   // of a unikernel or block device, or a path: all at and below it
	After int64     // those with a higher sequence number; 0: Since says where to begin
	Since time.Time // to the millisecond; zero: Count says where to begin
	Count int       // the last so many; 0: all that are kept
}

// Read calls each with the events that there are now, the oldest first. Where
// some are missing it calls it with one of the kind [api.EventLost], whatever the
// name. It ends with the error of each, or with the cause of ctx.
func (l *Log) Read(ctx context.Context, w Wanted, each func(api.Event) error) error {
	s := l.snapshot()
	c, err := l.seek(s, w)
	if err != nil {
		return err
	}
	return c.read(ctx, s, w.filter(s.next, each))
}

// Follow is Read that goes on with events as they come, without a gap or a
// repetition, until ctx ends. Its reader may be slow: nothing is kept for it but
// what all readers share, so it misses only what is no longer there. When the log
// is closed the error is ErrClosed.
func (l *Log) Follow(ctx context.Context, w Wanted, each func(api.Event) error) error {
	s := l.snapshot()
	c, err := l.seek(s, w)
	if err != nil {
		return err
	}
	each = w.filter(s.next, each)
	for {
		if err := c.read(ctx, s, each); err != nil {
			return err
		}
		if s.closed {
			return ErrClosed
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.changed:
		}
		s = l.snapshot()
	}
}

// seek finds the place to begin at. Times say nothing about places: clocks are
// set, and an end is recorded later than it was.
func (l *Log) seek(s snapshot, w Wanted) (*cursor, error) {
	switch {
	case w.After >= s.next: // it was an event of another log
		return l.oldest(s), nil
	case w.After > 0:
		return l.behind(s, w.After), nil
	case w.Since.IsZero() && w.Count > 0:
		return l.lastOf(s, w.Name, w.Count)
	}
	return l.oldest(s), nil
}

// filter calls each with what is wanted: new events, which have numbers from now
// on, whatever the clock says.
func (w Wanted) filter(now int64, each func(api.Event) error) func(api.Event) error {
	since := w.Since.Truncate(precision)
	if w.After > 0 {
		since = time.Time{}
	}
	return func(e api.Event) error {
		if !w.Name.Contains(e.Name) && e.Kind != api.EventLost || e.Sequence < now && e.At.Before(since) {
			return nil
		}
		return each(e)
	}
}
