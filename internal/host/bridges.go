package host

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"albatross/internal/api"
	"albatross/internal/hostnet"
	"albatross/internal/keeper"
	"albatross/internal/tap"
	"albatross/internal/vm"
)

const (
	// lookPause is the time from a change of the network to a look at it: what
	// changes together is seen together.
	lookPause = 100 * time.Millisecond
	// lookShare bounds the share of the time that is spent looking, where the
	// network is large and changes all the time: 1/lookShare.
	lookShare = 20
	// lookRetry is the time to another look if something is left to do.
	lookRetry = 2 * time.Second
	// tapGrace is how long a tap may not be seen before that is a problem: a
	// process that ends takes it away before its end is known.
	tapGrace = 3 * time.Second
)

// watchNetwork looks at the network whenever it has changed, until Close. What
// runs goes on whatever happens to bridges; what became of them is told, and
// interfaces return to bridges that return.
//
//	bridge "service" removed   EventBridgeGone, a problem in State
//	bridge "service" made      its taps attached again, EventBridgeBack
//	any bridge comes or goes   the policy of the root is that of the host
func (h *Host) watchNetwork(settled bool) {
	pause := lookPause
	for {
		var changed <-chan struct{}
		if h.links != nil {
			changed = h.links.Changed()
		}
		var again <-chan time.Time
		if !settled || h.links == nil {
			again = time.After(lookRetry)
		}
		select {
		case <-h.ctx.Done():
			return
		case <-changed:
		case <-again:
		}
		select {
		case <-h.ctx.Done():
			return
		case <-time.After(pause):
		}
		start := time.Now()
		settled = h.look()
		pause = max(lookPause, lookShare*time.Since(start))
	}
}

// look compares the network with what it should be, mends what it can, and notes
// the rest. It reports whether nothing is left to be tried again. It is called by
// one goroutine at a time.
func (h *Host) look() (settled bool) {
	runs := h.networked() // first: what starts later is not in the survey
	s, err := h.net.Survey()
	if err != nil {
		h.log.Warn("cannot see how the network is; trying again", "error", err)
		return false
	}
	settled = h.noteBridges(s)
	for _, r := range runs {
		var problems []string
		for _, p := range r.ports {
			settled = h.inspect(r, p, s) && settled
			if p.problem != "" {
				problems = append(problems, p.problem)
			}
		}
		h.setProblems(r, problems)
	}
	return settled
}

// networked returns the runs of units that have network interfaces.
func (h *Host) networked() []*run {
	h.mu.Lock()
	defer h.mu.Unlock()
	var runs []*run
	for _, r := range h.runs {
		if r.unit.run == r && len(r.ports) > 0 && !r.over() {
			runs = append(runs, r)
		}
	}
	return runs
}

// over reports whether the process of r has ended, as far as is known.
func (r *run) over() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// noteBridges makes the bridges that there are those that policies may allow.
func (h *Host) noteBridges(s hostnet.Survey) bool {
	names := vm.MakeSet(slices.Collect(maps.Keys(s.Bridges))...)
	h.mu.Lock()
	before := h.tree.Root().Bridges
	h.mu.Unlock()
	if names.Equal(before) {
		return true
	}
	h.log.Info("the bridges of this host have changed", "bridges", names, "before", before)
	if err := h.refreshRoot(); err != nil {
		h.log.Warn("cannot see what this host has; trying again", "error", err)
		return false
	}
	return true
}

// inspect looks at one port of r, puts it on its bridge if that has come back,
// and says in p.problem what is wrong. It reports whether nothing is to be tried
// again.
func (h *Host) inspect(r *run, p *port, s hostnet.Survey) (settled bool) {
	how := p.judge(s)
	tap, _ := p.find(s)
	bridge, there := s.Bridges[p.bridge]
	if how == noTap {
		return p.miss()
	}
	p.unseen = time.Time{}
	p.Index = tap.Index
	if how == orphaned {
		if err := h.net.Attach(tap, bridge); err != nil {
			p.problem = fmt.Sprintf("interface %q cannot be put on bridge %q and has no network; it is tried again: %v", p.Interface, p.bridge, err)
			return false
		}
		how, tap.Up, p.gone = onBridge, true, true
	}
	if how == onBridge {
		p.home = bridge.Index
		p.problem = p.weakness(bridge, tap)
		if p.gone {
			p.gone = false
			h.bridgeEvent(r, api.EventBridgeBack, fmt.Sprintf("interface %q is on bridge %q again", p.Interface, p.bridge))
		}
		return true
	}
	p.problem = p.trouble(how, tap)
	if !there && !p.gone {
		p.gone = true
		h.bridgeEvent(r, api.EventBridgeGone, p.problem)
	}
	return true
}

// miss notes that the tap of p is not there, which is a problem once that is so
// for a while.
func (p *port) miss() (settled bool) {
	if p.unseen.IsZero() {
		p.unseen = time.Now()
	}
	if time.Since(p.unseen) < tapGrace {
		return false
	}
	p.problem = p.trouble(noTap, hostnet.Port{})
	return true
}

func (h *Host) bridgeEvent(r *run, kind, text string) {
	h.event(api.Event{Kind: kind, Name: r.unit.record.Name, PID: r.process.PID, Text: text})
}

// setProblems notes what is wrong with the network of r, and logs what is new.
func (h *Host) setProblems(r *run, problems []string) {
	h.mu.Lock()
	before := r.problems
	r.problems = problems
	n := r.unit.record.Name
	h.mu.Unlock()
	for _, p := range problems {
		if !slices.Contains(before, p) {
			h.log.Warn("a unikernel has a problem", "unikernel", n, "reason", p)
		}
	}
	if len(before) > 0 && len(problems) == 0 {
		h.log.Info("a unikernel has no problem any more", "unikernel", n, "before", before)
	}
}

// removeTaps removes taps that were made like ours and are nobody's: neither is a
// process attached, nor has one that runs been started with it.
func (h *Host) removeTaps(all []keeper.Process) error {
	left, err := h.net.Leftovers()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, p := range all {
		for _, t := range decodeTaps(p.Note) {
			used[t.Tap] = used[t.Tap] || p.Running()
		}
	}
	for _, t := range left {
		if used[t] {
			continue
		}
		switch err := h.net.RemoveTap(t); {
		case err == nil:
			h.log.Info("removed a tap that belonged to nobody", "tap", t)
			h.removedLeftover(vm.Name{}, "removed the tap %s, which belonged to nobody", t)
		case errors.Is(err, tap.ErrBusy) || errors.Is(err, tap.ErrNotFound): // it is somebody's, or was
		default:
			h.log.Warn("cannot remove a tap that belongs to nobody", "tap", t, "error", err)
		}
	}
	return nil
}
