package stats

import (
	"errors"
	"maps"
	"slices"
	"time"

	"albatross/internal/stats/sample"
)

// all returns what is sampled, in no order.
func (d *Daemon) all() []*target {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.AppendSeq(make([]*target, 0, len(d.targets)), maps.Values(d.targets))
}

// round takes a sample of each of targets, unless it has one that is not older
// than maxAge. Those whose process has ended are forgotten.
func (d *Daemon) round(targets []*target, maxAge time.Duration) {
	d.rounds.Lock()
	defer d.rounds.Unlock()
	began := time.Now()
	refreshed, took := false, false
	for _, t := range targets {
		if t.isYounger(began.Add(-maxAge)) {
			continue
		}
		if len(t.taps) > 0 && !refreshed { // once, before the first that needs it
			d.refresh(began)
			refreshed = true
		}
		d.judge(t, t.measure(&d.buffer, d.network))
		took = true
	}
	if took {
		d.took.Store(int64(time.Since(began)))
	}
}

func (t *target) isYounger(than time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at.After(than)
}

// refresh looks at the host's network interfaces. Daemon.rounds is held.
func (d *Daemon) refresh(now time.Time) {
	var err error
	if d.network == nil {
		d.network, err = sample.OpenNetwork()
	}
	if err == nil {
		err = d.network.Refresh(now)
	}
	if err != nil {
		_ = d.network.Close() // the next round opens it anew
		d.network = nil
	}
	if err != nil && !d.blind {
		d.log.Warn("network interfaces cannot be sampled", "error", err)
	}
	d.blind = err != nil
}

// measure takes a sample. The network must have been looked at before: if the
// process is alive after that, its taps were its own, not those of another one
// that got their names.
func (t *target) measure(b *sample.Buffer, network *sample.Network) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.process == nil {
		return sample.ErrGone
	}
	if err := t.process.Read(b, &t.last); err != nil {
		return err
	}
	t.last.Interfaces = t.last.Interfaces[:0]
	for _, tap := range t.taps {
		if network == nil {
			break
		}
		if i, ok := network.Interface(tap.Tap); ok {
			i.Name = tap.Interface
			t.last.Interfaces = append(t.last.Interfaces, i)
		}
	}
	t.at = time.Now()
	return nil
}

// check forgets those of targets whose process has ended, and takes no samples.
func (d *Daemon) check(targets []*target) {
	d.rounds.Lock()
	defer d.rounds.Unlock()
	for _, t := range targets {
		d.judge(t, t.alive(&d.buffer))
	}
}

func (t *target) alive(b *sample.Buffer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.process == nil {
		return sample.ErrGone
	}
	return t.process.Alive(b)
}

// judge tells the log of the first failure in a row, and forgets the target if it
// is gone.
func (d *Daemon) judge(t *target, err error) {
	if errors.Is(err, sample.ErrGone) {
		d.log.Debug("the process has ended", "unikernel", t.name)
		d.forget(t)
		return
	}
	t.mu.Lock()
	told := t.failing
	t.failing = err != nil
	t.mu.Unlock()
	if err != nil && !told {
		d.log.Warn("cannot be sampled", "unikernel", t.name, "error", err)
	}
}

// Readings adds a sample of each unikernel to readings, none older than maxAge.
// What lies behind the length of readings is used again.
func (d *Daemon) Readings(readings []sample.Reading, maxAge time.Duration) []sample.Reading {
	targets := d.all()
	oldest := time.Now().Add(-maxAge)
	d.round(targets, maxAge)
	for _, t := range targets {
		readings = t.appendTo(readings, oldest)
	}
	return readings
}

// appendTo adds the last sample of t, if it has one that is not older. Otherwise
// its process has ended.
func (t *target) appendTo(readings []sample.Reading, oldest time.Time) []sample.Reading {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.process == nil || t.at.Before(oldest) {
		return readings
	}
	return sample.Append(readings, t.name, t.at, &t.last)
}
