package stats

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/stats/sample"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Limits of what clients may add.
const (
	maxTargets   = 8192
	maxTaps      = 64  // of a target: as many devices as a Solo5 manifest may have
	maxTap       = 15  // bytes of a tap's name (IFNAMSIZ less 1)
	maxInterface = 255 // bytes of what the unikernel calls it
)

// Sentences that Albatross's clients get.
const (
	textAdded      = "added"
	textRemoved    = "removed"
	textSubscribed = "subscribed"
	textInitial    = "unexpected message initial"
	textUnexpected = "unexpected command"
)

// target is what is sampled under a name.
type target struct {
	name   vm.Name
	taps   []wire.Tap
	handed int // descriptors that were handed over

	mu      sync.Mutex      // guards what follows
	process *sample.Process // nil: it is closed
	last    sample.Sample
	at      time.Time // when last was taken; zero: never
	failing bool      // the log was told that it cannot be sampled
}

// command obeys an add or remove, and returns the sentence that answers it.
func (d *Daemon) command(m wire.Message) (string, error) {
	switch command := m.Payload.(type) {
	case wire.StatsAdd:
		return textAdded, d.add(m.Name, command.PID, command.Taps, nil)
	case wire.StatsRemove:
		d.remove(m.Name)
		return textRemoved, nil
	case wire.StatsInitial:
		return "", api.Errorf(api.Invalid, textInitial)
	}
	return "", api.Errorf(api.Invalid, textUnexpected)
}

// add begins to sample a process, which is known by its number and, if some were
// handed over, by descriptors. It takes the place of what has the name. A process
// that cannot be found is no error: it may have ended meanwhile.
func (d *Daemon) add(n vm.Name, pid int, taps []wire.Tap, handed map[string]*linux.FD) error {
	descriptors := len(handed)
	process, err := sample.Adopt(new(sample.Buffer), pid, handed, d.budget)
	if errors.Is(err, sample.ErrNoDescriptors) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return api.Errorf(api.Resource, "no descriptors are left to sample %s with: %w", n, err).
			Hinted("let albatross-stats have more (ulimit -n, LimitNOFILE=)")
	}
	if err != nil {
		d.log.Info("not added: its process has ended, or /proc hides it (hidepid)", "unikernel", n, "error", err)
		d.remove(n)
		return nil
	}
	t := &target{name: n, process: process, taps: usable(taps), handed: descriptors}
	if lost := len(taps) - len(t.taps); lost > 0 {
		d.log.Warn("some network interfaces cannot be sampled", "unikernel", n, "interfaces", lost)
	}
	if err := d.put(t); err != nil {
		t.close()
		return err
	}
	d.log.Debug("added", "unikernel", n, "process", process, "descriptors", descriptors)
	return nil
}

// put enters a target into the table.
func (d *Daemon) put(t *target) error {
	d.mu.Lock()
	former := d.targets[t.name]
	if former == nil && len(d.targets) >= maxTargets {
		d.mu.Unlock()
		return api.Errorf(api.Resource, "there are %d processes to sample, no more are possible", maxTargets)
	}
	d.targets[t.name] = t
	d.mu.Unlock()
	former.close()
	return nil
}

// close ends the sampling of a target, which may be nil.
func (t *target) close() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.process != nil {
		_ = t.process.Close() // its files were only read
		t.process = nil
	}
}

// usable returns those of taps that can exist.
func usable(taps []wire.Tap) (good []wire.Tap) {
	for _, t := range taps {
		if len(good) < maxTaps && t.Tap != "" && len(t.Tap) <= maxTap && len(t.Interface) <= maxInterface {
			good = append(good, t)
		}
	}
	return good
}

// remove ends the sampling of what has the name, if anything has.
func (d *Daemon) remove(n vm.Name) {
	d.mu.Lock()
	t := d.targets[n]
	delete(d.targets, n)
	d.mu.Unlock()
	if t != nil {
		t.close()
		d.log.Debug("removed", "unikernel", n)
	}
}

// forget removes t, but not what has taken its place.
func (d *Daemon) forget(t *target) {
	d.mu.Lock()
	if d.targets[t.name] == t {
		delete(d.targets, t.name)
	}
	d.mu.Unlock()
	t.close()
}

// makeRoom is for an albatrossd that is about to hand over descriptors for all
// that runs. If not all unikernels had some before, others may get them this time,
// and until each has been told of there would be more than may be: so all are
// forgotten, for the moment that it takes.
func (d *Daemon) makeRoom() {
	held, with := 0, []*target(nil)
	for _, t := range d.all() {
		if t.handed > 0 {
			held += t.handed
			with = append(with, t)
		}
	}
	if held <= d.handed-2*api.HandoverMost {
		return
	}
	for _, t := range with {
		d.forget(t)
	}
}
