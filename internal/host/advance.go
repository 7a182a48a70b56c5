package host

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/keeper"
	"albatross/internal/lifecycle"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// How long a process may take to end.
const (
	politeTime = 2 * time.Second  // an hvt unikernel after SIGTERM
	endTime    = 30 * time.Second // any after SIGKILL
)

// setState feeds an event to the state of u and returns what is to be done.
func (h *Host) setState(u *unit, e lifecycle.Event) []lifecycle.Action {
	h.mu.Lock()
	defer h.mu.Unlock()
	var actions []lifecycle.Action
	u.state, actions = u.state.Next(e)
	if u.timer != nil && u.state.Phase != lifecycle.Waiting {
		u.timer.Stop()
		u.timer, u.due = nil, time.Time{}
	}
	for _, a := range actions {
		if w, ok := a.(lifecycle.Wait); ok {
			u.due = time.Now().Add(w.Delay).UTC() // so that no query sees it wait without knowing until when
		}
	}
	return actions
}

// advance feeds an event to the state of u and does all that it leads to. The
// lock of the name is held.
func (h *Host) advance(ctx context.Context, u *unit, e lifecycle.Event) error {
	for _, a := range h.setState(u, e) {
		var err error
		switch a := a.(type) {
		case lifecycle.Start:
			err = h.startAgain(ctx, u)
		case lifecycle.Kill:
			err = h.kill(ctx, u)
		case lifecycle.Free:
			h.free(ctx, u)
		case lifecycle.Wait:
			h.wait(u, a.Delay)
		case lifecycle.Forget:
			err = h.forget(u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// startAgain starts a unit that has run before.
func (h *Host) startAgain(ctx context.Context, u *unit) error {
	over, err := h.mayStart()
	if err == nil {
		defer over()
		err = h.start(ctx, u, h.inStore(u.record.Image))
	}
	if err != nil && h.ctx.Err() != nil {
		return err // the next daemon starts it
	}
	if err != nil {
		h.log.WarnContext(ctx, "cannot start", "unikernel", u.record.Name, "error", err)
		h.startedAgain(u, err)
		return errors.Join(err, h.advance(ctx, u, lifecycle.StartFailed{}))
	}
	h.startedAgain(u, nil)
	return h.advance(ctx, u, lifecycle.Started{})
}

// kill ends the process of u, waits until it has ended, and settles that.
func (h *Host) kill(ctx context.Context, u *unit) error {
	r := u.run
	if r == nil {
		return h.advance(ctx, u, lifecycle.Ended{})
	}
	// Once begun it is carried through: a client that goes away must not leave
	// a unikernel half stopped.
	ctx = context.WithoutCancel(ctx)
	why := keeper.Drop
	if u.state.Keep {
		why = keeper.Keep
	}
	if u.record.Target == image.TargetHVT && h.signalAndWait(ctx, r, syscall.SIGTERM, why, politeTime) {
		return h.settle(ctx, r)
	}
	if !h.signalAndWait(ctx, r, syscall.SIGKILL, why, endTime) {
		return api.Errorf(api.Internal, "process %d of %s does not end", r.process.PID, u.record.Name).
			Hinted("look at its state in /proc/%d/status", r.process.PID)
	}
	return h.settle(ctx, r)
}

// signalAndWait reports whether the process has ended in time. A signal that the
// keeper did not get is sent again.
func (h *Host) signalAndWait(ctx context.Context, r *run, sig syscall.Signal, why keeper.Purpose, limit time.Duration) bool {
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		var again <-chan time.Time
		if err := h.keeper.signal(ctx, r.id, sig, why); err != nil && !errors.Is(err, keeper.ErrUnknown) {
			h.log.WarnContext(ctx, "cannot signal", "unikernel", r.unit.record.Name, "signal", sig, "error", err)
			again = time.After(keeperRetry)
		}
		h.cfg.Steps.Done("process signalled")
		select {
		case <-r.exited:
			h.cfg.Steps.Done("process ended")
			return true
		case <-over.C:
			return false
		case <-again:
		}
	}
}

// settle judges the end of a run: the unit goes, or waits to start again. The
// lock of the name is held.
func (h *Host) settle(ctx context.Context, r *run) error {
	u := r.unit
	if u.run != r {
		return nil // it was settled before
	}
	exit := exitOf(r.exit)
	decision, reason := u.judge(r, h.lackOfMemory(r))
	if decision == vm.WithoutName {
		if err := h.dropName(u); err != nil {
			return err
		}
	}
	event := lifecycle.Ended{Decision: decision, Ran: r.exit.Ran}
	h.noteEnd(u, event, store.End{ID: u.record.ID, Run: r.id, At: r.exit.Ended, Exit: exit, Reason: reason})
	h.log.InfoContext(ctx, "ended", "unikernel", u.record.Name, "exit", exit.String(), "reason", reason, "again", decision != vm.Drop)
	if h.unit(u.record.Name) == u {
		h.event(endEvent(ctx, r, exit, reason))
		h.countExit(r, decision, reason)
	}
	unasked := u.state.Phase != lifecycle.Stopping
	if err := h.advance(ctx, u, event); err != nil {
		return err
	}
	if unasked && decision == vm.Drop {
		h.dropped(u, r)
	}
	return nil
}

// settleLate settles the end of a run that nobody waits for. A unit that was to
// be replaced, which failed because its process did not end in time, starts again.
func (h *Host) settleLate(r *run) error {
	if err := h.settle(h.ctx, r); err != nil {
		return err
	}
	u := r.unit
	h.mu.Lock()
	stranded := h.units[u.record.Name] == u && u.state.Phase == lifecycle.Gone && u.state.Keep && !h.down
	if stranded {
		u.state = lifecycle.Restored()
	}
	h.mu.Unlock()
	if !stranded {
		return nil
	}
	return h.startAgain(h.ctx, u)
}

// judge says what is to become of u, whose run r has ended, and why it ended:
// for lack of memory, if lack is not empty.
func (u *unit) judge(r *run, lack string) (vm.Decision, string) {
	exit := exitOf(r.exit)
	stopping := u.state.Phase == lifecycle.Stopping
	switch {
	case !stopping && r.exit.Stopped == keeper.Keep:
		return vm.Again, "stopped by a daemon that did not finish what it was about"
	case stopping, r.exit.Stopped == keeper.Drop:
		return vm.Drop, api.StoppedOnRequest
	case r.lost:
		return vm.Again, "its keeper died"
	}
	ended := vm.Ended{Exit: exit, NameAdded: u.record.Config.AddName && !u.record.NoName}
	fail := u.record.Config.Fail
	decision, reason := fail.Decide(ended), exit.Reason()
	if lack != "" {
		reason = lack
	}
	if decision == vm.Drop && fail.Why(ended) != "" {
		reason += "; " + fail.Why(ended)
	}
	if decision == vm.WithoutName {
		reason += "; started again without the added --name"
	}
	return decision, reason
}

func exitOf(p keeper.Process) vm.Exit {
	if p.Status.Signaled() {
		return vm.Exit{Signal: int(p.Status.Signal())}
	}
	return vm.Exit{Code: p.Status.ExitStatus()}
}

// dropName records that u does not understand the added --name. The process that
// has told so is of another record then: its end is not judged again by a daemon
// that comes later.
func (h *Host) dropName(u *unit) error {
	record := u.record
	record.NoName, record.ID = true, newID()
	if err := h.store.Put(record); err != nil {
		return recordError(err)
	}
	h.mu.Lock()
	u.record = record
	h.mu.Unlock()
	h.cfg.Steps.Done("name dropped")
	return nil
}

// free gives back what the last run of u used. What fails here is found and
// removed at the next start of the daemon.
func (h *Host) free(ctx context.Context, u *unit) {
	r := u.run
	if r == nil {
		return
	}
	if !h.bidFarewell(u.record.Name, r.id) {
		h.dropConsole(ctx, u.record.Name, r.id)
	}
	h.removeGroup(r.id)
	h.uids.release(r.uid)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.runs, r.id)
	u.run = nil
	h.tell(r, false)
}

// wait arranges for the next start of u.
func (h *Host) wait(u *unit, delay time.Duration) {
	h.willStart(u, delay)
	h.mu.Lock()
	defer h.mu.Unlock()
	u.timer = time.AfterFunc(delay, func() { h.do(func() { h.wake(u) }) })
}

// wake starts u if it still waits.
func (h *Host) wake(u *unit) {
	unlock, err := h.names.lock(h.ctx, u.record.Name)
	if err != nil {
		return // the daemon ends
	}
	defer unlock()
	if h.unit(u.record.Name) == u && u.state.Phase == lifecycle.Waiting {
		_ = h.advance(h.ctx, u, lifecycle.Due{}) // startAgain has logged it
	}
}

// forget removes the record of u, and u from the table.
func (h *Host) forget(u *unit) error {
	n := u.record.Name
	if h.unit(n) != u {
		return nil // it was forgotten before
	}
	if err := h.store.Delete(n, h.endOf(u)); err != nil {
		return recordError(fmt.Errorf("forgetting %s: %w", n, err))
	}
	h.cfg.Steps.Done("record deleted")
	h.mu.Lock()
	delete(h.units, n)
	h.releaseClaim(n)
	h.mu.Unlock()
	h.release(u.record.Image)
	h.forgetEnds()
	return nil
}

// do runs f in a goroutine that Close waits for; after Close it does nothing.
func (h *Host) do(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return
	}
	h.work.Go(f)
}

// exited takes the end of a process from the keeper's connection. It must not
// wait, so the work is done elsewhere.
func (h *Host) exited(p keeper.Process) {
	h.mu.Lock()
	r := h.runs[p.ID]
	h.mu.Unlock()
	if r == nil {
		return // of an operation that failed, or of an earlier daemon: adopt looks at those
	}
	h.end(r, p, false)
}

// settleOnce settles the end of a run that nobody waits for, or goes on with what
// that led to and failed at, as when the disk is full.
func (h *Host) settleOnce(r *run) error {
	unlock, err := h.names.lock(h.ctx, r.unit.record.Name)
	if err != nil {
		return nil // the daemon ends
	}
	defer unlock()
	if u := r.unit; u.run == r && u.condemned() && h.unit(u.record.Name) == u {
		err = h.advance(h.ctx, u, lifecycle.StopRequested{}) // what it failed at
	} else {
		err = h.settleLate(r)
	}
	if err != nil && h.unit(r.unit.record.Name) == r.unit && r.unit.run == r {
		return err
	}
	return nil
}

// settleRetry is the time between attempts to settle the end of a run.
const settleRetry = 2 * time.Second

// end marks a run as ended, once, and has it settled.
func (h *Host) end(r *run, p keeper.Process, lost bool) {
	h.mu.Lock()
	select {
	case <-r.exited:
		h.mu.Unlock()
		return
	default:
	}
	r.exit, r.lost = p, lost
	close(r.exited)
	h.mu.Unlock()
	h.do(func() {
		for err := h.settleOnce(r); err != nil; err = h.settleOnce(r) {
			h.log.Error("cannot go on after the end of a unikernel; trying on", "unikernel", r.unit.record.Name, "error", err)
			select {
			case <-h.ctx.Done():
				return
			case <-time.After(settleRetry):
			}
		}
	})
}
