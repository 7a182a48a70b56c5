package stats

import (
	"albatross/internal/api"
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

// target is what is sampled under a name. It does not change.
type target struct {
	name    vm.Name
	process sample.Process
	taps    []wire.Tap
}

// command obeys an add or remove, and returns the sentence that answers it.
func (d *Daemon) command(m wire.Message) (string, error) {
	switch command := m.Payload.(type) {
	case wire.StatsAdd:
		return textAdded, d.add(m.Name, command)
	case wire.StatsRemove:
		d.remove(m.Name)
		return textRemoved, nil
	case wire.StatsInitial:
		return "", api.Errorf(api.Invalid, textInitial)
	}
	return "", api.Errorf(api.Invalid, textUnexpected)
}

// add begins to sample a process. It takes the place of what has the name. A
// process that cannot be found is no error: it may have ended meanwhile.
func (d *Daemon) add(n vm.Name, add wire.StatsAdd) error {
	process, err := sample.Find(add.PID)
	if err != nil {
		d.log.Info("not added: its process has ended, or /proc hides it (hidepid)", "name", n, "error", err)
		d.remove(n)
		return nil
	}
	t := &target{name: n, process: process, taps: usable(add.Taps)}
	if lost := len(add.Taps) - len(t.taps); lost > 0 {
		d.log.Warn("some network interfaces cannot be sampled", "name", n, "interfaces", lost)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, replaced := d.targets[n]; !replaced && len(d.targets) == maxTargets {
		return api.Errorf(api.Resource, "there are %d processes to sample, no more are possible", maxTargets)
	}
	d.targets[n] = t
	d.log.Debug("added", "name", n, "process", process)
	return nil
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
	defer d.mu.Unlock()
	if _, ok := d.targets[n]; ok {
		delete(d.targets, n)
		d.log.Debug("removed", "name", n)
	}
}

// forget removes t, but not what has taken its place.
func (d *Daemon) forget(t *target) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.targets[t.name] == t {
		delete(d.targets, t.name)
	}
}

// sample returns what the target has used. links must have been read before: if
// its process is alive after that, its taps were its own, not those of another
// one that got their names.
func (t *target) sample(links map[string]vm.Interface) (vm.Stats, error) {
	usage, memory, err := t.process.Usage()
	if err != nil {
		return vm.Stats{}, err
	}
	s := vm.Stats{Rusage: usage, Memory: &memory}
	for _, tap := range t.taps {
		if i, ok := links[tap.Tap]; ok {
			i.Name = tap.Interface
			s.Interfaces = append(s.Interfaces, i)
		}
	}
	return s, nil
}
