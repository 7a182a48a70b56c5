package console

import (
	"math"
	"slices"
	"sync"
	"time"

	"albatross/internal/console/archive"
	"albatross/internal/console/lines"
)

// feed holds the lines of one console and tells its subscribers when there are new
// ones. Lines have numbers, which are those of the log: 0 is the first one that
// this process read, and earlier ones, which only the log has, are negative.
type feed struct {
	limits *Limits

	mu          sync.Mutex // guards what follows
	ring        *lines.Ring
	log         *archive.Log  // nil: there is none
	next        int64         // number of the next line
	subscribers []*subscriber // the oldest first
}

// subscriber is told of new lines of one feed. Both functions are called with
// feed.mu held, and do not block.
type subscriber struct {
	many bool   // it is one of many, of a client that reads many consoles
	wake func() // there are lines
	end  func() // it must give way, or the console goes
}

// newFeed returns a feed whose lines are kept in a log, which may be nil.
func newFeed(limits *Limits, log *archive.Log) *feed {
	f := &feed{limits: limits, ring: lines.NewRing(limits.Lines, limits.RingBytes)}
	f.keepIn(log)
	return f
}

// keepIn has lines kept in a log. The feed must be empty, but for lines of that log.
func (f *feed) keepIn(log *archive.Log) {
	if log == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log, f.next = log, log.Count()
	f.limit()
}

// publish takes bytes that came just now.
func (f *feed) publish(split *lines.Splitter, chunk []byte) {
	f.add(func(emit func([]byte)) { split.Feed(chunk, emit) })
}

// finish takes the line that the bytes ended in.
func (f *feed) finish(split *lines.Splitter) { f.add(split.Flush) }

func (f *feed) add(each func(emit func([]byte))) {
	now := time.Now().UTC()
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.next
	if f.log != nil {
		f.log.Begin(now)
		defer f.log.End()
	}
	each(func(text []byte) {
		f.ring.Append(lines.Line{Time: now, Text: text})
		f.next++
		if f.log != nil {
			f.log.Line(text)
		}
	})
	if f.next == before {
		return
	}
	for _, s := range f.subscribers {
		s.wake()
	}
}

// follows reports whether lines have the numbers in f that they have in the feed
// that was there before.
func (f *feed) follows(before *feed) bool {
	if f == before {
		return true
	}
	log := f.kept()
	return log != nil && log == before.kept()
}

// kept returns the log, or nil.
func (f *feed) kept() *archive.Log {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log
}

// now returns the number of the line that comes next.
func (f *feed) now() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// oldest returns the number of the first line in the ring.
func (f *feed) oldest() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first()
}

// first is oldest where mu is held.
func (f *feed) first() int64 { return f.next - int64(f.ring.Len()) }

// subscribe adds a subscriber. If there are too many, the oldest one ends.
func (f *feed) subscribe(s *subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = append(f.subscribers, s)
	if f.singles() > f.limits.Subscribers {
		oldest := slices.IndexFunc(f.subscribers, func(t *subscriber) bool { return !t.many })
		f.subscribers[oldest].end()
		f.subscribers = slices.Delete(f.subscribers, oldest, oldest+1)
	}
	f.limit()
}

// singles returns how many subscribers there are who read this console only. mu is
// held.
func (f *feed) singles() (n int) {
	for _, s := range f.subscribers {
		if !s.many {
			n++
		}
	}
	return n
}

// limit sets how much the ring may have: more only where who is late cannot be given
// lines from disk. mu is held.
func (f *feed) limit() {
	if f.singles() > 0 && f.log == nil {
		f.ring.Limit(math.MaxInt, f.limits.TailBytes)
		return
	}
	f.ring.Limit(f.limits.Lines, f.limits.RingBytes)
}

// unsubscribe removes a subscriber and returns whether none is left that reads this
// console only.
func (f *feed) unsubscribe(s *subscriber) (none bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = slices.DeleteFunc(f.subscribers, func(t *subscriber) bool { return t == s })
	f.limit()
	return f.singles() == 0
}

// end ends all subscribers.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.subscribers {
		s.end()
	}
	f.subscribers = nil
	f.limit()
}
