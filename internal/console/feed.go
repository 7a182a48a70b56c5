package console

import (
	"slices"
	"sync"
	"time"

	"albatross/internal/console/lines"
	"albatross/internal/wire"
)

// feed holds the lines of one console and hands new ones to its subscribers.
type feed struct {
	limits *Limits

	mu          sync.Mutex // guards what follows and the subscribers' queues
	ring        *lines.Ring
	subscribers []*subscriber // the oldest first
}

// subscriber gets the lines of one feed.
type subscriber struct {
	queue *lines.Queue  // guarded by feed.mu
	ready chan struct{} // has an element if there may be lines in queue
	ended chan struct{} // closed when it must give way
}

func newFeed(limits *Limits) *feed {
	return &feed{limits: limits, ring: lines.NewRing(limits.Lines, limits.RingBytes)}
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
	each(func(text []byte) {
		line := lines.Line{Time: now, Text: text}
		f.ring.Append(line)
		for _, s := range f.subscribers {
			s.queue.Push(line)
		}
	})
	for _, s := range f.subscribers {
		s.wake()
	}
	f.mu.Unlock()
}

func (s *subscriber) wake() {
	if s.queue.Empty() {
		return
	}
	select {
	case s.ready <- struct{}{}:
	default: // it has been told already
	}
}

// subscribe adds a subscriber whose queue begins with the history it asks for.
// If there are too many, the oldest one ends.
func (f *feed) subscribe(want wire.ConsoleSubscribe) *subscriber {
	s := &subscriber{
		queue: lines.NewQueue(f.limits.QueueBytes),
		ready: make(chan struct{}, 1),
		ended: make(chan struct{}),
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recall(s.queue, want)
	s.wake()
	f.subscribers = append(f.subscribers, s)
	if len(f.subscribers) > f.limits.Subscribers {
		close(f.subscribers[0].ended)
		f.subscribers = slices.Delete(f.subscribers, 0, 1)
	}
	return s
}

// recall puts the lines that are wanted into q. f.mu is held.
func (f *feed) recall(q *lines.Queue, want wire.ConsoleSubscribe) {
	history := f.ring.Newest(want.Count)
	if want.Since != nil {
		history = f.ring.Since(*want.Since)
	}
	for line := range history {
		q.Push(line)
	}
}

// history returns the lines that are wanted, and how many of them were too many
// for the queue of a subscriber.
func (f *feed) history(want wire.ConsoleSubscribe) (lost int, taken *lines.Ring) {
	q := lines.NewQueue(f.limits.QueueBytes)
	f.mu.Lock()
	f.recall(q, want)
	f.mu.Unlock()
	return q.Take(q.NewSpare())
}

// unsubscribe removes a subscriber and returns whether none is left.
func (f *feed) unsubscribe(s *subscriber) (none bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = slices.DeleteFunc(f.subscribers, func(t *subscriber) bool { return t == s })
	return len(f.subscribers) == 0
}

// end ends all subscribers.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.subscribers {
		close(s.ended)
	}
	f.subscribers = nil
}

// take gives the lines that s has not got yet; see [lines.Queue.Take]. If there
// are none, memory is given back.
func (f *feed) take(s *subscriber, spare *lines.Ring) (lost int, taken *lines.Ring) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.queue.Empty() {
		s.queue.Release()
		spare.Release()
		return 0, spare
	}
	return s.queue.Take(spare)
}
