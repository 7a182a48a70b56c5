package host

import (
	"encoding/json"

	"albatross/internal/vm"
)

// Tap is the host's end of a network interface of a unikernel.
type Tap struct {
	Interface string // what the unikernel calls it
	Tap       string // what the host calls it
	Index     int    `json:",omitempty"` // the kernel's number for the tap; 0: not noted
	MTU       int    `json:",omitempty"` // bytes, as the unikernel was told; 0: not noted
	Bridge    int    `json:",omitempty"` // the number of the bridge that it was put on when it was made; 0: not noted
}

// taps returns the taps of the devices.
func (l *launch) taps() []Tap {
	var taps []Tap
	for _, d := range l.devices {
		if d.isNet {
			taps = append(taps, d.tap)
		}
	}
	return taps
}

// encodeTaps and decodeTaps are the note that the keeper has of a process, for a
// daemon that takes over.
func encodeTaps(taps []Tap) string {
	b, err := json.Marshal(taps)
	if err != nil {
		return "" // cannot happen: names are text
	}
	return string(b)
}

func decodeTaps(note string) []Tap {
	var taps []Tap
	if json.Unmarshal([]byte(note), &taps) != nil {
		return nil // of another version: the taps are not known
	}
	return taps
}

// Change tells that a process of a unikernel runs, or has ended.
type Change struct {
	Name vm.Name
	Runs bool
	PID  int
	Taps []Tap

	run *run
}

// Watch gets all changes of what runs.
type Watch struct {
	host  *Host
	queue []Change      // guarded by Host.mu
	ready chan struct{} // has an element if there may be something in queue
}

// Watch begins with what runs now. It must be closed.
func (h *Host) Watch() *Watch {
	w := &Watch{host: h, ready: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watches[w] = true
	for _, r := range h.runs { // a unit may run before it is listed
		if r.unit.run == r {
			w.put(change(r, true))
		}
	}
	return w
}

func change(r *run, runs bool) Change {
	return Change{Name: r.unit.record.Name, Runs: runs, PID: r.process.PID, Taps: r.taps, run: r}
}

// tell tells all watches of a change. Host.mu is held.
func (h *Host) tell(r *run, runs bool) {
	for w := range h.watches {
		w.put(change(r, runs))
	}
}

func (w *Watch) put(c Change) {
	w.queue = append(w.queue, c)
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Ready has an element when Take may return something.
func (w *Watch) Ready() <-chan struct{} { return w.ready }

// Take returns the changes since the last call, in their order.
func (w *Watch) Take() []Change {
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	q := w.queue
	w.queue = nil
	return q
}

// Close ends the watch.
func (w *Watch) Close() {
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	delete(w.host.watches, w)
}
