package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"time"

	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/lifecycle"
	"albatross/internal/store"
	"albatross/internal/undo"
	"albatross/internal/vm"
)

// Create runs a new unikernel and returns once it runs and its record is
// durable. With force, one of the same name is replaced: everything about the
// new one is checked first, and if it cannot start the old one is started again.
// The staged image stays the caller's to discard.
func (h *Host) Create(ctx context.Context, n vm.Name, cfg vm.Config, st *image.Staged, force bool) error {
	if err := h.goingDown(); err != nil {
		return err
	}
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
	if old != nil && !force {
		return api.Errorf(api.Exists, "a unikernel %s exists already", n).
			Hinted("choose another name, destroy it first, or use --force to replace it")
	}
	if err := h.checkDevices(n, cfg.Arguments, old); err != nil {
		return err
	}
	if err := h.hold(st); err != nil {
		return err
	}
	cfg.Compressed = false // it was unpacked on arrival
	u := &unit{state: lifecycle.New(), record: store.Unikernel{
		Name: n, ID: newID(), Config: cfg, Image: st.Digest(), Size: st.Size(), Target: im.Target, Created: time.Now().UTC(),
	}}
	if err := h.replace(ctx, old, u); err != nil {
		return errors.Join(err, h.release(st.Digest()))
	}
	h.log.Info("created", "unikernel", n, "target", im.Target, "memory", cfg.Memory, "image", st.Digest())
	return nil
}

// newID returns a name for one unikernel ever, so that a process can be told
// from that of an earlier unikernel of the same name.
func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// replace stops old, if there is one, and starts u in its place. If u cannot
// start, old is started again. The lock of the name is held.
func (h *Host) replace(ctx context.Context, old, u *unit) (err error) {
	var back undo.Stack
	defer back.Fail(&err)
	if old != nil {
		if err := h.halt(ctx, old); err != nil {
			return err
		}
		back.Add(func() error { return h.resume(old) })
	}
	if err := h.start(ctx, u); err != nil {
		return err
	}
	h.setState(u, lifecycle.Started{})
	back.Add(func() error { return h.halt(h.ctx, u) })
	if err := h.store.Put(u.record); err != nil {
		return err
	}
	back.Success()
	h.mu.Lock()
	h.units[u.record.Name] = u
	h.mu.Unlock()
	if old != nil {
		return h.release(old.record.Image)
	}
	return nil
}

// halt stops the process of u, if there is one, and keeps its record.
func (h *Host) halt(ctx context.Context, u *unit) error {
	if err := h.advance(ctx, u, lifecycle.StopRequested{Keep: true}); err != nil {
		return fmt.Errorf("stopping %s: %w", u.record.Name, err)
	}
	return nil
}

// resume starts a unit again that was halted.
func (h *Host) resume(u *unit) error {
	h.mu.Lock()
	u.state = lifecycle.Restored()
	h.mu.Unlock()
	return h.startAgain(h.ctx, u)
}

// check refuses what can be refused without asking anyone.
func (h *Host) check(n vm.Name, cfg vm.Config, st *image.Staged) (*image.Image, error) {
	if n.IsPath() {
		return nil, api.Errorf(api.Invalid, "%q is a path, not the name of a unikernel", n.String())
	}
	if cfg.Type != vm.Solo5 {
		return nil, api.Errorf(api.Invalid, "%v unikernels cannot run here: only solo5 ones can", cfg.Type)
	}
	if st == nil || st.Size() == 0 {
		return nil, api.Errorf(api.Image, "the image is empty").Hinted("give the file of a Solo5 unikernel")
	}
	im, err := image.Read(st.File(), st.Size())
	if err != nil {
		return nil, imageError(err)
	}
	return im, checkArguments(n, cfg.Arguments, im)
}

// checkArguments says whether im can run with these arguments.
func checkArguments(n vm.Name, a vm.Arguments, im *image.Image) error {
	if err := a.Check(); err != nil {
		return api.Errorf(api.Invalid, "%w", err)
	}
	if most := vm.MakeSet(a.CPUs...); len(most) > 0 && most[len(most)-1] >= runtime.NumCPU() {
		return api.Errorf(api.Invalid, "CPU %d does not exist: this host has %d", most[len(most)-1], runtime.NumCPU()).
			Hinted("CPUs count from 0")
	}
	if _, err := a.CommandLine(n, a.AddName); err != nil {
		return api.Errorf(api.Invalid, "%w", err)
	}
	if err := im.CheckMemory(uint64(a.Memory) << 20); err != nil {
		return api.Errorf(api.Resource, "%w", err).Hinted("give it more with --mem")
	}
	if err := im.Manifest.CheckDevices(a.NetNames(), a.BlockNames()); err != nil {
		return deviceError(err)
	}
	return nil
}

// deviceError tells a client that the devices are not those of the image.
func deviceError(err error) error {
	bad, ok := errors.AsType[*image.DeviceError](err)
	if !ok {
		return err
	}
	return (&api.Error{Code: api.Manifest, Sentence: "wrong devices: " + bad.Wrong, Err: err}).Hinted("the %s", bad.Needs)
}

// Restart stops a unikernel and starts it again, with new arguments if a is not
// nil. Like Create with force it checks first and puts the old one back if the
// new one cannot start.
func (h *Host) Restart(ctx context.Context, n vm.Name, a *vm.Arguments) error {
	if err := h.goingDown(); err != nil {
		return err
	}
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
	if err := checkArguments(n, record.Config.Arguments, im); err != nil {
		return err
	}
	if err := h.checkDevices(n, record.Config.Arguments, old); err != nil {
		return err
	}
	h.retain(record.Image)
	if err := h.replace(ctx, old, &unit{state: lifecycle.New(), record: record}); err != nil {
		return errors.Join(err, h.release(record.Image))
	}
	h.log.Info("restarted", "unikernel", n)
	return nil
}

func notFound(n vm.Name) error {
	return api.Errorf(api.NotFound, "there is no unikernel %s", n).Hinted("albatross info lists those that run")
}

// Destroy stops a unikernel and forgets it. It returns what it was doing.
func (h *Host) Destroy(ctx context.Context, n vm.Name) (was lifecycle.Phase, err error) {
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
	if err := h.advance(ctx, u, lifecycle.StopRequested{}); err != nil {
		return was, fmt.Errorf("destroying %s: %w", n, err)
	}
	h.log.Info("destroyed", "unikernel", n)
	return was, nil
}
