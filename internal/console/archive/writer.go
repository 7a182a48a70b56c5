package archive

import (
	"sync"
	"time"
)

// rate is how many bytes a second may be written to one log once burst bytes were
// written at once. More would be of little use to those who read, for it is
// deleted soon, but cost all unikernels of the host.
const (
	rate  = 2 << 20
	burst = 8 << 20
)

// sweepTime is how often those logs are looked at that are to be written to later.
const sweepTime = 50 * time.Millisecond

// writer has all logs written to by one goroutine, in the order in which they have
// something to write: none can keep it busy while others wait.
type writer struct {
	wake chan struct{} // has an element if there may be something to do
	stop chan struct{} // closed by close

	mu    sync.Mutex // guards what follows and the place of each Log
	ready []*Log     // to be written to now
	later []*Log     // when they are due
}

// place is where a Log stands with the writer.
type place struct {
	ready, later bool // it is in the list of that name
	due          time.Time
}

func newWriter() *writer {
	return &writer{wake: make(chan struct{}, 1), stop: make(chan struct{})}
}

func (w *writer) close() { close(w.stop) }

// schedule has l written to as soon as possible.
func (w *writer) schedule(l *Log) {
	w.mu.Lock()
	if !l.ready {
		l.ready = true
		w.ready = append(w.ready, l)
	}
	w.mu.Unlock()
	w.poke()
}

// delay has l written to when it is due.
func (w *writer) delay(l *Log, due time.Time) {
	w.mu.Lock()
	l.due = due
	first := !l.later && len(w.later) == 0
	if !l.later {
		l.later = true
		w.later = append(w.later, l)
	}
	w.mu.Unlock()
	if first {
		w.poke()
	}
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next returns the log that is to be written to now, nil if there is none, and
// whether there will be one later.
func (w *writer) next() (l *Log, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ready) > 0 {
		l, w.ready[0] = w.ready[0], nil
		w.ready = w.ready[1:]
		l.ready = false
	}
	return l, len(w.later) > 0
}

// sweep makes those ready that are due.
func (w *writer) sweep(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	still := w.later[:0]
	for _, l := range w.later {
		if l.due.After(now) {
			still = append(still, l)
			continue
		}
		if l.later = false; !l.ready {
			l.ready = true
			w.ready = append(w.ready, l)
		}
	}
	clear(w.later[len(still):])
	w.later = still
}

// run writes until close, and then what still waits.
func (w *writer) run(a *Archive) {
	timer := time.NewTimer(sweepTime)
	defer timer.Stop()
	armed := true
	for {
		l, more := w.next()
		if l != nil {
			l.serve()
			continue
		}
		if more && !armed {
			timer.Reset(sweepTime)
			armed = true
		}
		select {
		case <-w.wake:
		case <-timer.C:
			armed = false
			w.sweep(time.Now())
		case <-w.stop:
			a.writeRest()
			return
		}
	}
}

// serve writes what waits in l, unless it had more than its share lately and
// nobody wants to read it.
func (l *Log) serve() {
	now := time.Now()
	l.mu.Lock()
	over := l.tokens.Wait(now)
	if over > 0 && len(l.waiting) == 0 {
		l.urgent, l.delayed = true, true // until it is due, nothing that comes needs the writer
		l.mu.Unlock()
		l.archive.writer.delay(l, now.Add(over))
		return
	}
	l.mu.Unlock()
	l.flush()
}

// flush writes what waits in l.
func (l *Log) flush() {
	all, waiting := l.take()
	l.write(all)
	for _, c := range waiting {
		close(c)
	}
	l.archive.mu.Lock()
	defer l.archive.mu.Unlock()
	l.archive.forget(l)
}

// writeRest writes all that waits.
func (a *Archive) writeRest() {
	a.mu.Lock()
	all := make([]*Log, 0, len(a.logs))
	for _, l := range a.logs {
		all = append(all, l)
	}
	a.mu.Unlock()
	for _, l := range all {
		l.flush()
	}
}
