package events

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"albatross/internal/api"
)

// DefaultSize is how many bytes the log has where Options do not tell.
const DefaultSize = 16 << 20

// segments is how many files there are, once there are enough events.
const segments = 4

// minSize is the least size of a log: each segment holds the longest event.
const minSize = segments * (maxLine + 1)

// DefaultSyncAfter is how long an event may wait until it is on the disk, where
// Options do not tell.
const DefaultSyncAfter = time.Second

// precision is that of times in the log.
const precision = time.Millisecond

// ErrClosed is returned by Follow when the log is closed.
var ErrClosed = errors.New("the event log is closed")

// Options of a log.
type Options struct {
	Size      int64         // bytes of all events that are kept; 0: DefaultSize; less than 128 KiB: that
	SyncAfter time.Duration // how long an event may wait until it is on the disk; 0: DefaultSyncAfter
	Log       *slog.Logger  // is told of what cannot be written or read; nil: nobody is
}

// Log is an event log. Its methods may be called from any goroutine.
type Log struct {
	dir  string
	log  *slog.Logger
	size int64 // of all segments, at most
	part int64 // of one

	// appending is held for a whole Append, so that events are written in their
	// order. No reader needs it.
	appending sync.Mutex
	lost      int    // guarded by appending; events that could not be written since one was
	line      []byte // guarded by appending; room for one

	mu      sync.Mutex
	spans   []span        // guarded by mu, written with appending held too; oldest first
	next    int64         // likewise; sequence number of the next event
	file    *os.File      // likewise; the newest segment, nil: there is none
	closed  bool          // likewise
	retired []*os.File    // guarded by mu; segments that sync closes
	changed chan struct{} // guarded by mu; closed at the next event; nil: nobody waits
	damaged int           // guarded by mu; most damaged lines that a reader has met

	named *os.File // the newest segment whose name is durable; of the goroutine that syncs

	dirty chan struct{} // has an element if something is to be made durable
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed when the goroutine that syncs has ended
}

// Open opens the log in a directory, which it makes if need be. One Log at a time
// may use it. An event that was being written when the host lost its power is cut
// off.
func Open(dir string, o Options) (*Log, error) {
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.SyncAfter == 0 {
		o.SyncAfter = DefaultSyncAfter
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	size := max(o.Size, minSize)
	l := &Log{
		dir: dir, log: o.Log, size: size, part: size / segments,
		dirty: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		l.spans, err = list(dir)
	}
	if err == nil {
		err = l.resume()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the event log: %w", err)
	}
	go l.keepDurable(o.SyncAfter)
	return l, nil
}

// Append adds an event: it sets its sequence number, and its time if it has none.
// The event is written when Append returns, and on the disk soon after. An event
// that cannot be written, as when the disk is full, is lost: no operation fails
// because its event does. The logger is told once until it works again, and
// readers see how many there were.
func (l *Log) Append(e api.Event) {
	l.appending.Lock()
	defer l.appending.Unlock()
	err := l.append(e)
	switch {
	case err != nil:
		if l.lost++; l.lost == 1 {
			l.log.Error("events cannot be recorded", "error", err)
		}
	case l.lost > 0:
		l.log.Warn("events are recorded again", "lost", l.lost)
		l.lost = 0
	}
}

// append gives e the next number, which is used up even if e cannot be written.
func (l *Log) append(e api.Event) error {
	if l.closed {
		return ErrClosed
	}
	e.Sequence = l.next
	e.At = e.At.UTC().Truncate(precision)
	if !writable(e.At) {
		e.At = time.Now().UTC().Truncate(precision)
	}
	written, err := l.write(e)
	l.mu.Lock()
	l.next++
	if err == nil {
		l.spans[len(l.spans)-1].size += int64(written)
		l.wake()
	}
	l.mu.Unlock()
	if err == nil {
		l.soon()
	}
	return err
}

// write writes e behind what there is. What a write that failed has left there is
// no whole line, and is written over.
func (l *Log) write(e api.Event) (n int, err error) {
	if l.line, err = appendLine(l.line[:0], e); err != nil {
		return 0, err
	}
	size := int64(0)
	if l.file != nil {
		size = l.spans[len(l.spans)-1].size
	}
	if l.file == nil || size > 0 && size+int64(len(l.line)) > l.part {
		if err := l.begin(e.Sequence); err != nil {
			return 0, fmt.Errorf("beginning a new segment: %w", err)
		}
		size = 0
	}
	return l.file.WriteAt(l.line, size)
}

// begin begins a new segment, after it has made room for it.
func (l *Log) begin(first int64) error {
	if err := l.makeRoom(); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path(first), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.retired = append(l.retired, l.file)
	}
	l.file = f
	l.spans = append(l.spans, span{first: first})
	return nil
}

// makeRoom deletes the oldest segments until another one fits.
func (l *Log) makeRoom() error {
	total := l.part
	for _, s := range l.spans {
		total += s.size
	}
	for total > l.size && len(l.spans) > 0 {
		oldest := l.spans[0]
		if err := os.Remove(l.path(oldest.first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= oldest.size
		l.mu.Lock()
		l.spans = slices.Delete(l.spans, 0, 1)
		l.mu.Unlock()
	}
	return nil
}

// wake wakes all who wait for the next event. mu is held.
func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Close makes everything durable and ends all who follow. Events that are
// appended afterwards are lost.
func (l *Log) Close() error {
	l.appending.Lock()
	l.mu.Lock()
	before := l.closed
	l.closed = true
	l.wake()
	l.mu.Unlock()
	l.appending.Unlock()
	if before {
		return nil
	}
	close(l.stop)
	<-l.done
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
