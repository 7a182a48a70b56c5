package stats

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"albatross/internal/api"
	"albatross/internal/server"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// watcher is a subscriber that has asked for a period of its own.
type watcher struct {
	subscriber
	seconds int
	served  bool // it has had its first samples; only runWatched looks
}

// handleWatch answers, then streams samples until the client goes.
func (d *Daemon) handleWatch(ctx context.Context, c *server.Conn, h wire.Header, body []byte) error {
	var wanted api.SamplesWanted
	if err := json.Unmarshal(body, &wanted); err != nil {
		return c.Fail(h, api.Errorf(api.Invalid, "the body of the verb %s: %w", api.VerbSamples, err))
	}
	w := d.addWatcher(h.Name, wanted.Seconds)
	defer d.removeWatcher(w)
	return d.stream(ctx, c, h, &w.subscriber, wire.ReplyPrivate{Body: []byte("{}")})
}

func (d *Daemon) addWatcher(n vm.Name, seconds int) *watcher {
	w := &watcher{subscriber: newSubscriber(n), seconds: min(max(seconds, 1), api.MostSeconds)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers[w] = true
	return w
}

func (d *Daemon) removeWatcher(w *watcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.watchers, w)
}

// runWatched samples for all watchers until ctx ends. They share one clock, so
// that however many there are, nothing is sampled more than once a second.
func (d *Daemon) runWatched(ctx context.Context) {
	t := time.NewTicker(d.second)
	defer t.Stop()
	for second := 0; ; second++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			d.watch(second)
		}
	}
}

// watch hands a sample of everything that it watches to each watcher whose time
// has come: the first comes at once, later ones with the clock.
func (d *Daemon) watch(second int) {
	due, targets := d.due(second)
	if len(due) == 0 {
		return
	}
	began := time.Now()
	d.round(targets, 0)
	samples := batches(targets, due, began)
	body, err := json.Marshal(api.Sampled{At: began.UTC()})
	if err != nil {
		d.log.Error("samples cannot be told", "error", err) // cannot happen
		return
	}
	end := wire.Message{Payload: wire.ReplyPrivate{Body: body}}
	for _, s := range due {
		s.offer(append(samples[s], end))
	}
}

// due returns the watchers whose time has come, and what they watch.
func (d *Daemon) due(second int) (due []*subscriber, targets []*target) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.watchers {
		if !w.served || second%w.seconds == 0 {
			w.served = true
			due = append(due, &w.subscriber)
		}
	}
	if len(due) == 0 {
		return nil, nil
	}
	for _, t := range d.targets {
		if slices.ContainsFunc(due, func(s *subscriber) bool { return s.name.Contains(t.name) }) {
			targets = append(targets, t)
		}
	}
	return due, targets
}
