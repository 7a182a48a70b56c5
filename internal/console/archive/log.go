package archive

import (
	"sync"
	"time"

	"albatross/internal/console/lines"
	"albatross/internal/vm"
)

// When lines are written.
const (
	gather    = 800 * time.Millisecond // they wait at most, and a moment of sweepTime
	flushSize = 32 << 10               // unless there are so many bytes of them
)

// Log is the log of one console.
type Log struct {
	archive *Archive
	name    vm.Name

	// Guarded by Archive.mu:
	spans   []span    // oldest first; changed by the writer goroutine alone
	written time.Time // when it was written to last
	owned   bool      // between Log and Release
	active  bool      // its unikernel may write
	base    int64     // number of the first line that this process had; 0: not known yet

	// Of the writer goroutine:
	salt   salt // of the newest segment
	salted bool // it is known
	tokens lines.Bucket

	mu      sync.Mutex // guards what follows; is held for moments
	count   int64      // lines that this process had, lost ones included
	pending []batch    // the last one is added to
	full    bool       // no line fits any more
	counted int        // memory of pending that Archive.held has
	now     int64
	last    time.Time // when pending was taken
	urgent  bool      // the writer comes as soon as it can
	delayed bool      // it comes after a while
	waiting []chan struct{}

	place // guarded by writer.mu
}

func newLog(a *Archive, n vm.Name) *Log {
	return &Log{archive: a, name: n, tokens: lines.Bucket{Rate: rate, Burst: burst}}
}

// Active says whether the log's unikernel may write.
func (l *Log) Active(active bool) {
	a := l.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.active == active {
		return
	}
	l.active = active
	if a.busy--; active {
		a.busy += 2
	}
}

// Release gives the log up. What it was given is still written.
func (l *Log) Release() {
	l.Active(false)
	l.archive.mu.Lock()
	l.owned = false
	l.archive.mu.Unlock()
	l.archive.writer.schedule(l) // which forgets it if it is empty
}

// forget forgets a log of which nothing is left, and that nothing will be added to. mu
// is held, by the goroutine that writes.
func (a *Archive) forget(l *Log) {
	if !l.owned && len(l.spans) == 0 && a.logs[l.name] == l && l.idle() {
		delete(a.logs, l.name)
		a.failures.forget(l.name)
	}
}

// idle reports whether nothing waits to be written.
func (l *Log) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0
}

// Begin begins to take lines that came at that time. The log is locked until End.
func (l *Log) Begin(now time.Time) {
	l.mu.Lock()
	l.now = now.UnixMilli()
	if len(l.pending) == 0 {
		l.full = false
	}
}

// Line takes a line. If too many wait, or more than the log may have, it is lost.
func (l *Log) Line(text []byte) {
	text = text[:min(len(text), MaxText)]
	if !l.full && !l.add(text) {
		l.full = true // what comes later would not follow what is there
	}
	l.count++
}

// add adds a line to what waits, and reports false if there is no room for it.
func (l *Log) add(text []byte) bool {
	n := len(l.pending)
	if n > 0 && l.pending[n-1].add(l.now, text) {
		return true
	}
	l.account()
	if n == maxBatches || l.archive.held.Load() > maxHeld {
		return false
	}
	l.pending = append(l.pending, batch{first: l.count})
	return l.pending[n].add(l.now, text)
}

// End ends what Begin began.
func (l *Log) End() {
	defer l.mu.Unlock()
	l.account()
	if len(l.pending) == 0 || l.urgent {
		return
	}
	w := l.archive.writer
	due := l.last.Add(gather)
	size := len(l.pending[0].buf)
	switch now := time.Now(); {
	case size >= flushSize || due.Before(now) || l.archive.held.Load() > maxHeld/2:
		l.urgent = true
		w.schedule(l)
	case !l.delayed:
		l.delayed = true
		w.delay(l, due)
	}
}

// account tells the archive how much memory the lines take that wait. mu is held.
func (l *Log) account() {
	size := 0
	for _, b := range l.pending {
		size += cap(b.buf)
	}
	if d := size - l.counted; d != 0 {
		l.archive.held.Add(int64(d))
		l.counted = size
	}
}

// Count returns how many lines the log was given by this process.
func (l *Log) Count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// take takes what waits. The writer goroutine calls it.
func (l *Log) take() (all []batch, waiting []chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, waiting = l.pending, l.waiting
	l.pending, l.waiting = nil, nil
	l.full, l.urgent, l.delayed = false, false, false
	if len(all) > 0 {
		l.last = time.Now()
	}
	l.account()
	return all, waiting
}
