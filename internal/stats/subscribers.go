package stats

import (
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// subscriber gets samples of what its name contains.
type subscriber struct {
	name    vm.Name
	batches chan []wire.Message // the samples of one tick that are still to be sent; holds 1
	ended   chan struct{}       // closed when it must give way
}

func newSubscriber(n vm.Name) subscriber {
	return subscriber{name: n, batches: make(chan []wire.Message, 1), ended: make(chan struct{})}
}

// subscribe adds a subscriber and ends the one that has the same name.
// unsubscribe must be called at its end.
func (d *Daemon) subscribe(n vm.Name) *subscriber {
	s := newSubscriber(n)
	d.mu.Lock()
	defer d.mu.Unlock()
	if former := d.subscribers[n]; former != nil {
		close(former.ended)
	}
	d.subscribers[n] = &s
	return &s
}

// unsubscribe removes a subscriber, unless it gave way.
func (d *Daemon) unsubscribe(s *subscriber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.subscribers[s.name] == s {
		delete(d.subscribers, s.name)
	}
}

// offer has the subscriber sent a batch, instead of one that still waits. Only
// one goroutine may call it.
func (s *subscriber) offer(batch []wire.Message) {
	select {
	case <-s.batches:
	default:
	}
	s.batches <- batch
}
