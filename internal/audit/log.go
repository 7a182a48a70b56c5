package audit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	"albatross/internal/api"
)

// Defaults of Options.
const (
	DefaultSegment = 16 << 20 // bytes
	DefaultKeep    = 8        // segments
)

// minSegment is the least size of a segment: it holds the longest record.
const minSegment = maxLine + 1

// ErrClosed is returned by Append when the log is closed.
var ErrClosed = errors.New("the audit log is closed")

// Options of a log.
type Options struct {
	Segment int64        // bytes of a segment; 0: DefaultSegment; less than 64 KiB: that
	Keep    int          // segments that are kept, that which is written to included; less than 1: DefaultKeep
	Log     *slog.Logger // is told when records cannot be written, and when they can again; nil: nobody is
}

// Log is an audit log. Its methods may be called from any goroutine.
type Log struct {
	dir  string
	log  *slog.Logger
	part int64 // bytes of a segment, at most
	keep int   // segments

	create func(path string) (file, error) // makes the file of a segment

	mu    sync.Mutex
	queue []*waiting // guarded by mu; what the next write takes
	spans []span     // guarded by mu, changed with writing held too; oldest first, up to what is durable
	ours  tail       // likewise; the last record that was written by this Log, if there is one

	writing sync.Mutex // held while records are written
	closed  bool       // guarded by writing, as all below
	file    file       // the newest segment; nil: there is none
	size    int64      // of it, up to what is durable
	tail    tail       // the last record
	rest    bool       // the file may have something behind size
	unnamed bool       // the name of the newest segment is not durable
	failing bool       // the last write failed, and the logger knows
	notes   []*waiting // what the log has to say of itself
	buf     []byte
}

// file is the file of a segment.
type file interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// tail is what the next record follows.
type tail struct {
	sequence int64
	hash     string
}

// waiting is a record that is to be written. All but the record is guarded by
// Log.writing.
type waiting struct {
	record api.AuditRecord
	done   bool
	err    error // then: why it is not in the log
}

// Open opens the log in a directory, which it makes if need be. One Log at a time
// may use it.
func Open(dir string, o Options) (*Log, error) {
	if o.Segment == 0 {
		o.Segment = DefaultSegment
	}
	if o.Keep < 1 {
		o.Keep = DefaultKeep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{dir: dir, log: o.Log, part: max(o.Segment, minSegment), keep: o.Keep, create: createFile}
	err := makeDirectory(dir)
	if err == nil {
		l.spans, err = list(dir)
	}
	if err == nil {
		err = l.resume()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.flush()
	return l, nil
}

func createFile(path string) (file, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// Append adds a record: it sets its sequence number and hashes, and its time if it
// has none. It returns when the record is on the disk, together with those that
// others append meanwhile. If there is an error the record is not in the log.
func (l *Log) Append(r api.AuditRecord) error {
	r = bounded(r)
	r.Oldest = 0
	w := &waiting{record: r}
	l.mu.Lock()
	l.queue = append(l.queue, w)
	l.mu.Unlock()

	l.writing.Lock()
	defer l.writing.Unlock()
	if !w.done { // by whoever wrote before
		l.flush()
	}
	return w.err
}

// flush writes all that waits. writing is held.
func (l *Log) flush() {
	l.mu.Lock()
	queue := slices.Concat(l.notes, l.queue)
	l.queue = nil
	l.mu.Unlock()
	for len(queue) > 0 {
		n, err := l.write(queue)
		for _, w := range queue[:n] {
			w.done, w.err = true, err
		}
		queue = queue[n:]
		l.tell(err)
	}
	l.notes = slices.DeleteFunc(l.notes, func(w *waiting) bool { return w.err == nil })
}

// tell tells the logger once that records cannot be written, and once that they can.
func (l *Log) tell(err error) {
	switch {
	case err != nil && !l.failing && !l.closed:
		l.log.Error("the audit log cannot be written", "dir", l.dir, "error", err)
	case err == nil && l.failing:
		l.log.Warn("the audit log can be written again", "dir", l.dir)
	}
	l.failing = err != nil
}

// Close ends the log. Everything in it is durable already.
func (l *Log) Close() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// snapshot returns the segments, up to what is durable, and the last record in them if
// it is known.
func (l *Log) snapshot() ([]span, tail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.spans), l.ours
}
