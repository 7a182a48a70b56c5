package host

import (
	"slices"

	"albatross/internal/api"
	"albatross/internal/lifecycle"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// mostEnds is how many ends of unikernels that are gone are remembered.
const mostEnds = 256

// ended returns an end as queries tell it.
func ended(n vm.Name, e store.End) api.Ended {
	return api.Ended{Name: n, At: e.At, Exit: e.Exit, Reason: e.Reason}
}

// noteEnd remembers how u ended, which the event is about to tell its state. If
// its record stays the end is made durable before the keeper forgets it, so that
// a daemon that comes later counts it once; else it goes with the record's
// removal. An end that cannot be written is no reason to leave u as it is.
func (h *Host) noteEnd(u *unit, event lifecycle.Ended, e store.End) {
	if h.unit(u.record.Name) != u {
		return // its create failed: it never was
	}
	next, actions := u.state.Next(event)
	e.Restarts, e.Failures = u.state.Restarts, next.Failures
	h.mu.Lock()
	h.ends[u.record.Name] = e
	h.mu.Unlock()
	for _, a := range actions {
		if _, forgotten := a.(lifecycle.Forget); forgotten {
			return
		}
	}
	if err := h.store.PutEnd(u.record.Name, e); err != nil {
		h.log.Error("cannot record how a unikernel ended", "unikernel", u.record.Name, "error", err)
		return
	}
	h.cfg.Steps.Done("end written")
}

// endOf returns how u ended, or nil if it has not.
func (h *Host) endOf(u *unit) *store.End {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.ends[u.record.Name]; ok && e.ID == u.record.ID {
		return &e
	}
	return nil
}

// forgetEnds forgets the oldest ends of unikernels that are gone, if there are
// many more than are to be remembered.
func (h *Host) forgetEnds() {
	const slack = mostEnds / 4 // so that it is worth a commit
	h.mu.Lock()
	var gone []vm.Name
	for n := range h.ends {
		if h.units[n] == nil {
			gone = append(gone, n)
		}
	}
	if len(gone) <= mostEnds+slack {
		h.mu.Unlock()
		return
	}
	slices.SortFunc(gone, func(a, b vm.Name) int { return h.ends[a].At.Compare(h.ends[b].At) })
	gone = gone[:len(gone)-mostEnds]
	runs := make(map[vm.Name]string, len(gone))
	for _, n := range gone {
		runs[n] = h.ends[n].Run
		delete(h.ends, n)
	}
	h.mu.Unlock()
	if err := h.store.DeleteEnds(runs); err != nil {
		h.log.Warn("cannot forget old ends of unikernels", "error", err)
	}
}

// restoreEnds reads the ends that are remembered.
func (h *Host) restoreEnds() error {
	ends, err := h.store.Ends()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = ends
	return nil
}

// resumed returns the state of a unit whose record was found: with a process, or
// without one. What it has behind it is known from its last end.
func resumed(e store.End, has bool, process string) lifecycle.State {
	s := lifecycle.Restored()
	s.Restarts, s.Failures = e.Restarts, e.Failures
	if has {
		s.Phase = lifecycle.Running
		if e.Run != "" && e.Run != process {
			s.Restarts++
		}
	}
	return s
}
