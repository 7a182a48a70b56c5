package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/lifecycle"
	"albatross/internal/pki"
	"albatross/internal/store"
	"albatross/internal/undo"
	"albatross/internal/vm"
)

// Order says how a unikernel is to be created, and for whom.
type Order struct {
	Force bool       // replace one of the same name
	Chain []pki.Link // of the certificates that allow it, leaf first; none: somebody on this host
}

// Create runs a new unikernel and returns once it runs and its record is
// durable. With force, one of the same name is replaced: everything about the
// new one is checked first, and if it cannot start the old one is started again.
// The staged image stays the caller's to discard.
func (h *Host) Create(ctx context.Context, n vm.Name, cfg vm.Config, st *image.Staged, o Order) (err error) {
	defer func() { h.Refused(ctx, "create", n, err) }()
	defer h.countCreate(time.Now(), &err)
	over, err := h.mayStart()
	if err != nil {
		return err
	}
	defer over()
	im, err := h.check(n, cfg, st)
	if err != nil {
		return err
	}
	unlock, err := h.names.lock(ctx, n)
	if err != nil {
		return err
	}
	defer unlock()
	old := h.unit(n)
	if old != nil && !o.Force {
		return alreadyThere(n)
	}
	src, err := h.staged(st, im)
	if err != nil {
		return err
	}
	cfg.Compressed = false // it was unpacked on arrival
	record := store.Unikernel{
		Name: n, ID: newID(), Config: cfg, Image: st.Digest(), Size: st.Size(), Target: im.Target, Created: time.Now().UTC(), Chain: o.Chain,
	}
	err = h.replace(ctx, old, record, src)
	src.done()
	if err != nil {
		h.release(st.Digest())
		return err
	}
	h.log.InfoContext(ctx, "created", "unikernel", n, "target", im.Target, "memory", cfg.Memory, "image", st.Digest())
	kind := api.EventCreated
	if old != nil {
		kind = api.EventReplaced
	}
	h.ran(ctx, kind, record)
	return nil
}

// newID returns a name for one unikernel ever, so that a process can be told
// from that of an earlier unikernel of the same name.
func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// replace stops old, if there is one, and starts a unikernel with the record in
// its place. If that cannot start, old is started again, and the error says so.
// The lock of the name is held.
//
// The disk takes as long for a record as a unikernel does to start, so both are
// done beside each other where there is no old one. Where there is one the record
// comes last: a daemon that dies before has the next one start the old one.
func (h *Host) replace(ctx context.Context, old *unit, record store.Unikernel, src source) (err error) {
	if old != nil && old.condemned() {
		// Its destruction was begun and did not succeed: first things first.
		if err := h.advance(ctx, old, lifecycle.StopRequested{}); err != nil {
			return fmt.Errorf("destroying %s, which was not finished: %w", record.Name, err)
		}
		old = nil
	}
	if err := h.checkBridges(record.Config.Arguments); err != nil {
		return err
	}
	c, err := h.claim(&record)
	if err != nil {
		return err
	}
	u := &unit{state: lifecycle.New(), record: record}
	var back undo.Stack
	defer back.Fail(&err)
	back.Add(func() error { c.undo(); return nil })
	if err := h.checkBlocks(record.Name, record.Config.Arguments); err != nil {
		return err
	}
	if old != nil {
		if err := src.stored(); err != nil { // before anything is stopped
			return err
		}
		state := old.state
		if err := h.halt(ctx, old); err != nil {
			return err
		}
		back.Add(func() error { return h.resume(old, state, &err) })
	}
	write := h.writeRecord(record, src)
	if old == nil {
		go func() { _ = write() }() // see below, and unwrite
		back.Add(func() error { return h.unwriteRecord(record, write) })
	}
	if err := h.start(ctx, u, src); err != nil {
		return err
	}
	h.setState(u, lifecycle.Started{})
	back.Add(func() error { return h.halt(h.ctx, u) })
	if err := write(); err != nil {
		return err
	}
	back.Success()
	h.mu.Lock()
	c.done()
	h.units[record.Name] = u
	h.mu.Unlock()
	if old != nil {
		h.release(old.record.Image)
	}
	return nil
}

// condemned reports whether u is to be forgotten, but is not yet.
func (u *unit) condemned() bool {
	return (u.state.Phase == lifecycle.Stopping || u.state.Phase == lifecycle.Gone) && !u.state.Keep
}

// halt stops the process of u, if there is one, and keeps its record.
func (h *Host) halt(ctx context.Context, u *unit) error {
	if err := h.advance(ctx, u, lifecycle.StopRequested{Keep: true}); err != nil {
		return fmt.Errorf("stopping %s: %w", u.record.Name, err)
	}
	return nil
}

// resume puts back a unit that was halted for a replacement which failed with
// *failed: one that ran runs again, one that waited waits again.
func (h *Host) resume(u *unit, before lifecycle.State, failed *error) error {
	resumed := lifecycle.Restored()
	resumed.Failures, resumed.Restarts = before.Failures, before.Restarts
	outcome := "the one that was to be replaced runs again"
	var err error
	if before.Phase == lifecycle.Waiting {
		resumed.Phase = lifecycle.Waiting
		outcome = "the one that was to be replaced waits for its next start again"
	}
	h.mu.Lock()
	u.state = resumed
	if resumed.Phase == lifecycle.Waiting {
		u.due = time.Now().Add(lifecycle.Delay(resumed.Failures)).UTC()
	}
	h.mu.Unlock()
	if resumed.Phase == lifecycle.Waiting {
		h.wait(u, lifecycle.Delay(resumed.Failures))
	} else if err = h.startAgain(h.ctx, u); err != nil {
		outcome = "the one that was to be replaced cannot be started either; it is tried again"
	}
	cause := api.AsError(*failed)
	*failed = &api.Error{Code: cause.Code, Sentence: cause.Sentence + "; " + outcome, Hint: cause.Hint, Err: *failed}
	return err
}

// Restart stops a unikernel and starts it again, with new arguments if a is not
// nil. Like Create with force it checks first and puts the old one back if the
// new one cannot start.
func (h *Host) Restart(ctx context.Context, n vm.Name, a *vm.Arguments) (err error) {
	defer func() { h.Refused(ctx, "restart", n, err) }()
	over, err := h.mayStart()
	if err != nil {
		return err
	}
	defer over()
	unlock, err := h.names.lock(ctx, n)
	if err != nil {
		return err
	}
	defer unlock()
	old := h.unit(n)
	if old == nil {
		return notFound(n)
	}
	record := old.record
	record.ID = newID()
	if a != nil {
		record.Config.Arguments = *a
		record.NoName = false
	}
	f, im, err := h.openImage(record.Image)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := h.checkArguments(n, record.Config.Arguments); err != nil {
		return err
	}
	if err := checkImage(record.Config.Arguments, im); err != nil {
		return err
	}
	h.retain(record.Image)
	if err := h.replace(ctx, old, record, h.inStore(record.Image)); err != nil {
		h.release(record.Image)
		return err
	}
	h.log.InfoContext(ctx, "restarted", "unikernel", n)
	h.ran(ctx, api.EventRestarted, record)
	return nil
}

func notFound(n vm.Name) error {
	return api.Errorf(api.NotFound, "there is no unikernel %s", n).Hinted("albatross info lists those that run")
}

// Destroy stops a unikernel and forgets it. It returns what it was doing.
func (h *Host) Destroy(ctx context.Context, n vm.Name) (was lifecycle.Phase, err error) {
	defer func() { h.Refused(ctx, "destroy", n, err) }()
	unlock, err := h.names.lock(ctx, n)
	if err != nil {
		return 0, err
	}
	defer unlock()
	u := h.unit(n)
	if u == nil {
		return 0, notFound(n)
	}
	was = u.state.Phase
	return was, h.destroy(ctx, u, "")
}

// destroy stops and forgets u for the reason given, if any. The lock of its name
// is held.
func (h *Host) destroy(ctx context.Context, u *unit, reason string) error {
	n := u.record.Name
	if err := h.advance(ctx, u, lifecycle.StopRequested{}); err != nil {
		return fmt.Errorf("destroying %s: %w", n, err)
	}
	if h.unit(n) == u {
		return fmt.Errorf("destroying %s: it is %v still", n, u.state.Phase)
	}
	h.log.InfoContext(ctx, "destroyed", "unikernel", n, "reason", cmp.Or(reason, api.StoppedOnRequest))
	h.done(ctx, api.EventDestroyed, n, reason)
	return nil
}
