package stats

import (
	"context"
	"maps"
	"slices"
	"time"

	"albatross/internal/stats/sample"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// run takes samples until ctx ends.
func (d *Daemon) run(ctx context.Context) {
	t := time.NewTicker(d.interval)
	defer t.Stop()
	var readings []sample.Reading
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			began := time.Now()
			d.tick()
			if d.Push != nil {
				readings = d.Readings(readings[:0], time.Since(began))
				d.Push(readings)
			}
		}
	}
}

// tick hands each subscriber one sample of everything that it subscribes to, and
// forgets targets whose process has ended.
func (d *Daemon) tick() {
	began := time.Now()
	watched, unwatched, subscribers := d.divide()
	d.round(watched, 0)
	if d.Push == nil { // which looks at all of them
		d.check(unwatched)
	}
	for s, batch := range batches(watched, subscribers, began) {
		s.offer(batch)
	}
}

// divide returns those targets that somebody subscribes to and the others, and
// all subscribers.
func (d *Daemon) divide() (watched, unwatched []*target, subscribers []*subscriber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	subscribers = slices.Collect(maps.Values(d.subscribers))
	for _, t := range d.targets {
		if slices.ContainsFunc(subscribers, func(s *subscriber) bool { return s.name.Contains(t.name) }) {
			watched = append(watched, t)
		} else {
			unwatched = append(unwatched, t)
		}
	}
	return watched, unwatched, subscribers
}

// batches makes messages of the samples that were taken since a time.
func batches(targets []*target, subscribers []*subscriber, since time.Time) map[*subscriber][]wire.Message {
	all := map[*subscriber][]wire.Message{}
	for _, t := range targets {
		payload, ok := t.payload(since)
		if !ok {
			continue
		}
		for _, s := range subscribers {
			if s.name.Contains(t.name) {
				all[s] = append(all[s], s.message(t.name, payload))
			}
		}
	}
	return all
}

func (t *target) payload(since time.Time) (wire.StatsData, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.process == nil || t.at.Before(since) {
		return wire.StatsData{}, false
	}
	return wire.StatsData{Stats: t.last.Stats()}, true
}

// message returns what tells s of a sample. A stream has 0 for the sequence, and
// names relative to the path of the subscription.
func (s *subscriber) message(n vm.Name, payload wire.StatsData) wire.Message {
	relative, _ := n.RelativeTo(s.name.Path()) // which contains what s.name contains
	return wire.Message{Header: wire.Header{Name: relative}, Payload: payload}
}
