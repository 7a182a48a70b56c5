package stats

import (
	"context"
	"errors"
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
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			d.tick()
		}
	}
}

// tick hands each subscriber one sample of everything that it subscribes to, and
// forgets targets whose process has ended.
func (d *Daemon) tick() {
	d.mu.Lock()
	targets := slices.Collect(maps.Values(d.targets))
	subscribers := slices.Collect(maps.Values(d.subscribers))
	d.mu.Unlock()

	links := d.links(targets, subscribers)
	batches := map[*subscriber][]wire.Message{}
	for _, t := range targets {
		watchers := t.watchers(subscribers)
		if len(watchers) == 0 {
			d.judge(t, t.process.Alive())
			continue
		}
		stats, err := t.sample(links)
		if d.judge(t, err); err != nil {
			continue
		}
		payload := wire.StatsData{Stats: stats}
		for _, s := range watchers {
			batches[s] = append(batches[s], s.message(t.name, payload))
		}
	}
	for s, batch := range batches {
		s.offer(batch)
	}
}

// judge tells the log of a failure, and forgets the target if it is gone.
func (d *Daemon) judge(t *target, err error) {
	switch {
	case err == nil:
	case errors.Is(err, sample.ErrGone):
		d.log.Info("the process has ended", "name", t.name, "process", t.process)
		d.forget(t)
	default:
		d.log.Warn("cannot be sampled", "name", t.name, "error", err)
	}
}

// links returns the host's network interfaces, or nil if nobody wants to know.
func (d *Daemon) links(targets []*target, subscribers []*subscriber) map[string]vm.Interface {
	wanted := func(t *target) bool { return len(t.taps) > 0 && len(t.watchers(subscribers)) > 0 }
	if !slices.ContainsFunc(targets, wanted) {
		return nil
	}
	links, err := sample.Links()
	if err != nil {
		d.log.Warn("network interfaces cannot be sampled", "error", err)
	}
	return links
}

// watchers returns those who subscribe to t.
func (t *target) watchers(all []*subscriber) (watchers []*subscriber) {
	for _, s := range all {
		if s.name.Contains(t.name) {
			watchers = append(watchers, s)
		}
	}
	return watchers
}

// message returns what tells s of a sample. A stream has 0 for the sequence, and
// names relative to the path of the subscription.
func (s *subscriber) message(n vm.Name, payload wire.StatsData) wire.Message {
	relative, _ := n.RelativeTo(s.name.Path()) // which contains what s.name contains
	return wire.Message{Header: wire.Header{Name: relative}, Payload: payload}
}
