package influx

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"albatross/internal/stats/sample"
	"albatross/internal/vm"
)

const (
	maxBatch = 1 << 20  // bytes of a batch, about
	maxQueue = 32 << 20 // bytes that wait: of 1,000 unikernels, four minutes
	sendTime = 30 * time.Second

	firstRetry = 500 * time.Millisecond // doubles
	lastRetry  = 30 * time.Second
)

// Sender takes batches of lines.
type Sender interface {
	// Send sends a batch. A [RejectedError] says that it never will be taken;
	// after any other error the same batch is sent again.
	Send(ctx context.Context, lines []byte) error
	// Close ends the connection, if there is one.
	Close() error
	// String says where it sends to, without secrets.
	String() string
}

// RejectedError says that the database does not want lines as they are.
type RejectedError struct{ Reason string }

// Error returns the reason.
func (e *RejectedError) Error() string { return e.Reason }

// batch is what is sent at once.
type batch struct {
	text  []byte
	lines int
}

// Pusher sends readings to a database.
type Pusher struct {
	log     *slog.Logger
	to      Sender
	format  Format
	dropped atomic.Uint64 // lines
	ready   chan struct{} // has an element if there may be something in the queue

	mu     sync.Mutex // guards what follows
	queue  []batch    // oldest first
	size   int        // bytes of the queue
	losing bool       // the log was told that the queue is full

	ambiguous bool // the log was told that two unikernels have one name; only Push looks
}

// New returns a Pusher.
func New(log *slog.Logger, to Sender, f Format) *Pusher {
	return &Pusher{log: log.With("database", to.String()), to: to, format: f, ready: make(chan struct{}, 1)}
}

// Dropped returns how many lines were given up.
func (p *Pusher) Dropped() uint64 { return p.dropped.Load() }

// Push queues readings, which it does not keep. It never waits for the database.
func (p *Pusher) Push(readings []sample.Reading) {
	p.warnOfNames(readings)
	var b batch
	for i := range readings {
		var lines int
		b.text, lines = p.format.Append(b.text, &readings[i])
		b.lines += lines
		if len(b.text) >= maxBatch {
			p.put(b)
			b = batch{}
		}
	}
	p.put(b)
}

// warnOfNames tells the log once if the database cannot tell two unikernels from
// each other: their counters would seem to jump to and fro.
func (p *Pusher) warnOfNames(readings []sample.Reading) {
	if p.ambiguous || p.format.FullNames {
		return
	}
	names := make(map[vm.Label]vm.Name, len(readings))
	for i := range readings {
		n := readings[i].Name
		other, twice := names[n.Label()]
		names[n.Label()] = n
		if twice {
			p.ambiguous = true
			p.log.Warn("two unikernels are the same to the database, which is told the last label of a name only", "one", n, "other", other, "hint", "--no-drop-path")
			return
		}
	}
}

func (p *Pusher) put(b batch) {
	if b.lines == 0 {
		return
	}
	p.mu.Lock()
	p.queue = append(p.queue, b)
	p.size += len(b.text)
	dropped := 0
	for p.size > maxQueue && len(p.queue) > 1 {
		dropped += p.queue[0].lines
		p.shift()
	}
	first := dropped > 0 && !p.losing
	p.losing = p.losing || first
	p.mu.Unlock()
	p.drop(dropped)
	if first {
		p.log.Warn("the database takes statistics too slowly, or not at all: the oldest are given up", "waiting_bytes", maxQueue)
	}
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// shift removes the oldest batch. Pusher.mu is held.
func (p *Pusher) shift() batch {
	b := p.queue[0]
	p.queue[0] = batch{}
	p.queue = p.queue[1:]
	p.size -= len(b.text)
	return b
}

func (p *Pusher) drop(lines int) { p.dropped.Add(uint64(lines)) }

func (p *Pusher) take() (batch, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.losing = false
		return batch{}, false
	}
	return p.shift(), true
}

// Run sends what is queued until ctx ends.
func (p *Pusher) Run(ctx context.Context) error {
	defer func() { _ = p.to.Close() }() // what was sent was sent
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.ready:
		}
		for {
			b, ok := p.take()
			if !ok {
				break
			}
			if !p.send(ctx, b) {
				return nil
			}
		}
	}
}

// send sends a batch, however often it takes, and reports false if ctx has ended.
// What is queued meanwhile may have to go. The log is told once of failures in a
// row.
func (p *Pusher) send(ctx context.Context, b batch) bool {
	before := p.Dropped()
	for pause, failed := firstRetry, false; ; pause = min(2*pause, lastRetry) {
		err := p.try(ctx, b)
		switch rejected, ok := errors.AsType[*RejectedError](err); {
		case ctx.Err() != nil:
			return false
		case err == nil:
			if failed {
				p.log.Info("the database takes statistics again", "dropped_lines", p.Dropped()-before)
			}
			return true
		case ok:
			p.drop(b.lines)
			p.log.Warn("the database refuses statistics", "lines", b.lines, "reason", rejected.Reason)
			return true
		case !failed:
			failed = true
			p.log.Warn("the database does not take statistics; trying on", "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

func (p *Pusher) try(ctx context.Context, b batch) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return p.to.Send(ctx, b.text)
}
