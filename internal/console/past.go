package console

import (
	"context"
	"iter"
	"math"
	"time"

	"albatross/internal/console/archive"
	"albatross/internal/console/lines"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// diskPatience is how long a client waits for the disk. Then it gets what is in
// memory.
const diskPatience = 10 * time.Second

// Bytes of lines that are taken to memory at once.
const (
	oneChunk  = 64 << 10 // of one console
	manyChunk = 4 << 10  // of each of many
)

// past is lines of a console that were written already, and that a client wants.
type past struct {
	name    vm.Name
	feed    *feed
	chunk   int   // bytes that are taken to memory at once
	quick   bool  // what is not in memory is left out
	from    int64 // number of the next line; it only grows
	until   int64 // number behind the last one
	missing int   // lines before the next one that are nowhere

	// The newest lines, as many as may be taken to memory at once: while others are
	// read, a flood may take their place in the ring.
	newest *lines.Ring // nil: they were read, or there are none
	behind int64       // number behind them

	earlier int        // how many lines before from may be wanted
	since   *time.Time // only those since then; nil: all of them

	cost int // of lines that were given: their bytes, leastCost for each at least
}

// past returns the lines that are wanted of those that there are now, as far as they
// are in memory; seek adds the others. To a client that is given no empty lines these
// do not count.
func (f *feed) past(name vm.Name, want wire.ConsoleSubscribe, plain bool, chunk int) *past {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, earlier := f.recent(want, plain)
	p := &past{name: name, feed: f, chunk: chunk, from: f.next - int64(n), until: f.next, since: want.Since, earlier: earlier}
	if n = f.ring.Fitting(n, chunk); n > 0 {
		p.newest, p.behind = copyOf(f.ring.Newest(n)), f.next
	}
	return p
}

// copyOf returns lines in memory of their own.
func copyOf(some iter.Seq[lines.Line]) *lines.Ring {
	r := lines.NewRing(math.MaxInt, math.MaxInt)
	for line := range some {
		r.Append(line)
	}
	return r
}

// seek has the lines begin with those that are wanted and only on disk.
func (p *past) seek(ctx context.Context) {
	if p.earlier <= 0 {
		return
	}
	r := p.reader(ctx, p.feed.kept())
	if r == nil {
		return
	}
	oldest, found := r.First()
	switch {
	case !found:
	case p.since != nil:
		p.from = min(p.from, r.Since(*p.since))
	default:
		p.from = min(p.from, max(p.from-int64(p.earlier), oldest))
	}
}

// recent returns how many of the newest lines are wanted, and how many more before
// all those that are in the ring: of lines since a time, nobody knows. mu is held.
func (f *feed) recent(want wire.ConsoleSubscribe, plain bool) (n, missing int) {
	count := max(want.Count, 0)
	switch {
	case want.Since != nil:
		n, older := f.ring.Since(*want.Since)
		if older {
			return n, 0
		}
		return n, math.MaxInt
	case plain:
		return f.ring.Filled(count)
	}
	n = min(count, f.ring.Len())
	return n, count - n
}

// reader returns what reads a log, or nil if there is none, its disk does not answer,
// or there is no time for it.
func (p *past) reader(ctx context.Context, log *archive.Log) *archive.Reader {
	if log == nil || p.quick {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, diskPatience)
	defer cancel()
	r, err := log.Reader(ctx)
	if err != nil {
		return nil
	}
	r.Window = p.chunk
	return r
}

// lines returns the lines, each with how many are missing before it. A line must
// not be used after the iteration went on. When all are given, from is until.
func (p *past) lines(ctx context.Context) iter.Seq2[int, lines.Line] {
	return func(yield func(int, lines.Line) bool) {
		next := p.from // what follows the last line
		each := func(n int64, l lines.Line) bool {
			lost := p.missing + int(n-next)
			next, p.from, p.missing = n+1, n+1, 0
			p.cost += max(len(l.Text), leastCost)
			return yield(lost, l)
		}
		for p.from < p.until {
			if !p.some(ctx, each) {
				return
			}
		}
		p.missing += int(p.until - next)
	}
}

// some calls each with some lines, and their numbers, until it returns false.
func (p *past) some(ctx context.Context, each func(int64, lines.Line) bool) bool {
	if newest := p.newest; newest != nil && p.from >= p.behind-int64(newest.Len()) {
		for line := range newest.Newest(int(p.behind - p.from)) {
			if !each(p.from, line) {
				return false
			}
		}
		p.newest = nil
		return true
	}
	until := p.until
	if p.newest != nil {
		until = min(until, p.behind-int64(p.newest.Len()))
	}
	batch, first, log := p.fromRing(until)
	if batch != nil {
		for line := range batch.All() {
			if !each(p.from, line) {
				return false
			}
		}
		return true
	}
	end := min(until, first)
	if r := p.reader(ctx, log); r != nil {
		for n, line := range r.Lines(p.from, end) {
			if !each(n, line) {
				return false
			}
		}
	}
	p.from = end // what is missing is nowhere
	return true
}

// fromRing copies lines of the ring up to a number, or returns the number of its first
// line and the log if they are not there any more.
func (p *past) fromRing(until int64) (batch *lines.Ring, first int64, log *archive.Log) {
	f := p.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if first = f.first(); p.from < first {
		return nil, first, f.log
	}
	batch = lines.NewRing(math.MaxInt, math.MaxInt)
	for line := range f.ring.Newest(int(f.next - p.from)) {
		if batch.Size() >= p.chunk || p.from+int64(batch.Len()) >= until {
			break
		}
		batch.Append(line)
	}
	return batch, first, nil
}
