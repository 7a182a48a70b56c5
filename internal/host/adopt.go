package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"albatross/internal/keeper"
	"albatross/internal/lifecycle"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// startWorkers is how many unikernels of one priority are started at a time.
const startWorkers = 8

// adopt compares what is recorded with what the keeper has:
//
//	recorded, running        watched from now on
//	recorded, ended          its end is judged now, unless it was before
//	recorded, unknown        started, in the order of startup priorities
//	not recorded             its create was never acknowledged: stopped
//
// It returns before the unknown ones are started.
func (h *Host) adopt(ctx context.Context) error {
	records, err := h.store.Unikernels()
	if err != nil {
		return err
	}
	client, err := h.keeper.get()
	if err != nil {
		return err
	}
	has, err := client.List(ctx)
	if err != nil {
		return err
	}
	processes := newest(has)
	var cold []*unit
	for _, record := range records {
		p, found := processes[record.ID]
		found = found && (p.Running() || !h.judged(p))
		u := h.take(record, p, found)
		if !found {
			cold = append(cold, u)
		}
	}
	h.hostUp(len(records)-len(cold), len(cold))
	if err := client.Watch(ctx); err != nil {
		return err
	}
	h.removeStrays(has, true)
	if err := h.removeTaps(has); err != nil {
		return err
	}
	if err := h.removeGroups(); err != nil {
		return err
	}
	if err := h.removeFIFOs(); err != nil {
		return err
	}
	if err := h.collectImages(); err != nil {
		return err
	}
	h.log.Info("took over", "recorded", len(records), "running", len(records)-len(cold), "to_start", len(cold))
	h.do(func() { h.coldStart(cold) })
	return nil
}

// recordID returns the ID of the record that a process was started for.
func recordID(p keeper.Process) string {
	id, _, _ := strings.Cut(p.ID, ".")
	return id
}

// judged reports whether the end of p was recorded: all that is left to do is to
// start its unikernel again.
func (h *Host) judged(p keeper.Process) bool {
	n, err := vm.ParseWireName(p.Name)
	h.mu.Lock()
	defer h.mu.Unlock()
	return err == nil && h.ends[n].Run == p.ID
}

// newest returns the last process of each record.
func newest(all []keeper.Process) map[string]keeper.Process {
	last := map[string]keeper.Process{}
	for _, p := range all {
		have, ok := last[recordID(p)]
		if !ok || p.Running() && !have.Running() || p.Running() == have.Running() && p.Started.After(have.Started) {
			last[recordID(p)] = p
		}
	}
	return last
}

// take enters a record into the tables, with its process if it has one.
func (h *Host) take(record store.Unikernel, p keeper.Process, found bool) *unit {
	u := &unit{record: record, state: lifecycle.Restored()}
	u.nets, u.blocks = h.describeRecord(record)
	h.mu.Lock()
	if e, ok := h.ends[record.Name]; ok && e.ID == record.ID {
		u.state = resumed(e, found, p.ID)
	} else if found {
		u.state = lifecycle.Adopted()
	}
	h.units[record.Name] = u
	h.refs[record.Image]++
	for _, e := range h.restoreClaim(record) {
		h.log.Warn("a unikernel exceeds a policy; it is kept", "unikernel", record.Name, "reason", e)
	}
	if found {
		u.run = &run{id: p.ID, unit: u, uid: p.UID, taps: decodeTaps(p.Note), process: p, exited: make(chan struct{})}
		u.run.ports = recordedPorts(record, u.run.taps)
		h.runs[p.ID] = u.run
	}
	h.mu.Unlock()
	if found {
		h.uids.adopt(p.UID)
		h.console.add(h.ctx, record.Name)
	}
	if found && p.Running() && p.Stopped != keeper.NoPurpose {
		r := u.run
		h.do(func() { h.finishStop(u, r) })
	}
	return u
}

// finishStop ends a process that a daemon before this one began to stop; its
// purpose is remembered, and says what is to become of the unit.
func (h *Host) finishStop(u *unit, r *run) {
	unlock, err := h.names.lock(h.ctx, u.record.Name)
	if err != nil {
		return
	}
	defer unlock()
	if u.run != r {
		return
	}
	h.log.Info("finishing a stop that was begun", "unikernel", u.record.Name)
	if h.signalAndWait(h.ctx, r, syscall.SIGKILL, r.process.Stopped, endTime) {
		if err := h.settle(h.ctx, r); err != nil {
			h.log.Error("cannot finish a stop that was begun", "unikernel", u.record.Name, "error", err)
		}
	}
}

// describeRecord says what devices a recorded unikernel has.
func (h *Host) describeRecord(record store.Unikernel) (nets []vm.NetInfo, blocks []vm.BlockInfo) {
	for _, n := range record.Config.Nets {
		nets = append(nets, vm.NetInfo{Name: n.Name, Bridge: n.HostBridge(), MAC: netMAC(record, n)})
	}
	for _, b := range record.Config.Blocks {
		info := vm.BlockInfo{Name: b.Name, Device: b.HostDevice(), SectorSize: b.Sector()}
		if name, err := record.Name.Block(b.HostDevice()); err == nil {
			if fi, err := os.Stat(h.cfg.DB.Block(name)); err == nil {
				info.Size = int(fi.Size() >> 20)
			}
		}
		blocks = append(blocks, info)
	}
	return nets, blocks
}

// removeStrays stops and forgets processes that are no unit's. At the start of a
// daemon it takes care of their user ids; later on whoever started them does.
func (h *Host) removeStrays(all []keeper.Process, first bool) {
	var wg sync.WaitGroup
	for _, p := range all {
		h.mu.Lock()
		_, ours := h.runs[p.ID]
		_, unread := h.farewells[p.ID]
		h.mu.Unlock()
		if !ours && !unread {
			wg.Go(func() { h.removeStray(p, first) })
		}
	}
	wg.Wait()
}

func (h *Host) removeStray(p keeper.Process, first bool) {
	if p.Running() {
		h.log.Warn("stopping a process that belongs to no record", "unikernel", p.Name, "pid", p.PID)
	}
	name, err := vm.ParseWireName(p.Name)
	if err != nil {
		h.log.Warn("a process has a strange name", "pid", p.PID, "error", err)
	}
	if !p.Running() && err == nil && h.bidFarewell(name, p.ID) {
		return
	}
	uid := noUID
	if first {
		uid = p.UID
		h.uids.adopt(uid)
	}
	r := &run{id: p.ID, unit: &unit{record: store.Unikernel{Name: name}}, uid: uid, process: p, exited: make(chan struct{})}
	h.mu.Lock()
	h.runs[p.ID] = r
	h.mu.Unlock()
	h.abandon(r)
	if p.Running() {
		h.removedLeftover(name, "stopped process %d, which belonged to no unikernel", p.PID)
	}
}

// removeFIFOs removes FIFOs that belong to nobody.
func (h *Host) removeFIFOs() error {
	entries, err := os.ReadDir(h.cfg.Tmp.FIFOs())
	if err != nil {
		return err
	}
	for _, e := range entries {
		n, err := vm.ParseWireName(e.Name())
		if e.Type() != fs.ModeNamedPipe || err == nil && (h.unit(n) != nil || h.awaitsReader(n)) {
			continue
		}
		path := filepath.Join(h.cfg.Tmp.FIFOs(), e.Name())
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.log.Warn("cannot remove a FIFO that belongs to nobody", "file", path, "error", err)
			continue
		}
		h.cfg.Steps.Done("FIFO of nobody removed")
		h.removedLeftover(n, "removed the console %s, which belonged to nobody", e.Name())
	}
	return nil
}

// coldStart starts units in the order of their priorities, some at a time.
func (h *Host) coldStart(cold []*unit) {
	slices.SortStableFunc(cold, func(a, b *unit) int {
		return a.record.Config.Priority() - b.record.Config.Priority()
	})
	for len(cold) > 0 {
		n := 1
		for n < len(cold) && cold[n].record.Config.Priority() == cold[0].record.Config.Priority() {
			n++
		}
		var wg sync.WaitGroup
		next := make(chan *unit)
		for range min(startWorkers, n) {
			wg.Go(func() {
				for u := range next {
					h.startCold(u)
				}
			})
		}
		for _, u := range cold[:n] {
			next <- u
		}
		close(next)
		wg.Wait()
		cold = cold[n:]
	}
}

func (h *Host) startCold(u *unit) {
	unlock, err := h.names.lock(h.ctx, u.record.Name)
	if err != nil {
		return
	}
	defer unlock()
	if h.unit(u.record.Name) == u && u.state.Phase == lifecycle.Starting {
		_ = h.startAgain(h.ctx, u) // which has logged it
	}
}

// Shutdown stops all unikernels and keeps their records, so that the next start
// of the daemon runs them again. Nothing is started any more. It returns how many
// ran.
func (h *Host) Shutdown(ctx context.Context) (stopped int, err error) {
	h.mu.Lock()
	h.down = true
	h.mu.Unlock()
	h.starts.Wait() // what is being started is listed then
	units := h.allUnits()
	errs := make([]error, len(units))
	ran := make([]bool, len(units))
	var wg sync.WaitGroup
	for i, u := range units {
		wg.Go(func() { ran[i], errs[i] = h.shutDown(ctx, u.record.Name) })
	}
	wg.Wait()
	for _, r := range ran {
		if r {
			stopped++
		}
	}
	h.log.InfoContext(ctx, "stopped all unikernels", "stopped", stopped)
	err = errors.Join(errs...)
	h.hostDown(ctx, stopped, err)
	return stopped, err
}

// shutDown halts the unikernel of that name, and reports whether it ran.
func (h *Host) shutDown(ctx context.Context, n vm.Name) (ran bool, err error) {
	unlock, err := h.names.lock(ctx, n)
	if err != nil {
		return false, err
	}
	defer unlock()
	u := h.unit(n)
	if u == nil {
		return false, nil
	}
	ran = u.run != nil
	return ran, h.halt(ctx, u)
}

// netMAC returns the address of a unikernel's interface: the one that was asked
// for, the pinned one, or the one that follows from the names.
func netMAC(record store.Unikernel, n vm.Net) vm.MAC {
	if n.MAC != nil {
		return *n.MAC
	}
	if pinned, ok := record.MACs[n.Name]; ok {
		return pinned
	}
	return record.Name.MAC(n.Name)
}
