package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"albatross/internal/cgroup"
	"albatross/internal/image"
	"albatross/internal/keeper"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// openGroups finds out whether unikernels can have control groups. Where they
// cannot they run without.
func (h *Host) openGroups() error {
	if h.cfg.CgroupRoot == "" {
		return nil
	}
	instance, err := instanceOf(string(h.cfg.DB))
	if err != nil {
		return err
	}
	root, err := cgroup.Open(h.cfg.CgroupRoot, instance)
	switch {
	case errors.Is(err, cgroup.ErrRoot):
		return err
	case err != nil && os.Geteuid() != 0:
		h.log.Info("unikernels run without control groups, which need root", "reason", err)
	case err != nil:
		h.log.Warn("unikernels run without control groups: the kernel does not limit their memory", "reason", err)
	case root.Limits() != nil:
		h.log.Warn("the kernel does not limit the memory of unikernels", "groups", root, "reason", root.Limits())
	default:
		h.log.Info("unikernels have control groups", "groups", root)
	}
	if err == nil {
		h.groups = root
	}
	return nil
}

// instanceOf names the daemon that has a database, among all of this machine.
// Where it was moved the groups of what runs are not found any more.
func instanceOf(db string) (string, error) {
	path, err := filepath.Abs(db)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("finding the place of the control groups: %w", err)
	}
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:6]), nil
}

// What a process may use besides the memory of its guest. Under spt that is a
// stub, its script and the stack; the rest, most of it, is for what the kernel
// counts as well: files of open descriptors, cached pages of block devices, which
// go when others are needed. The hvt tender is a Go program of some 20 MB that
// grows with what its garbage collector leaves, and has a virtual machine in the
// kernel. Page tables, and under KVM tables of the same size once more and the
// kernel's notes of them, take 8 bytes each for a page of 4 KiB.
const (
	overheadSPT = 16 << 20
	overheadHVT = 96 << 20

	tablesSPT = 256 // one byte for so many of the guest: twice what was counted
	tablesHVT = 64
)

// memoryLimit returns the most bytes that the process of a unikernel may use.
func memoryLimit(record store.Unikernel) int64 {
	guest := int64(record.Target.RoundMemory(uint64(record.Config.Memory) << 20))
	if record.Target == image.TargetHVT {
		return guest + guest/tablesHVT + overheadHVT
	}
	return guest + guest/tablesSPT + overheadSPT
}

// makeGroup makes the control group of a run, or returns nil where there are
// none. It goes with the run.
func (h *Host) makeGroup(r *run) (*cgroup.Group, error) {
	if h.groups == nil {
		return nil, nil
	}
	g, err := h.groups.Create(r.id, cgroup.Limits{Memory: memoryLimit(r.unit.record)})
	if err != nil {
		return nil, err
	}
	h.cfg.Steps.Done("control group made")
	return g, nil
}

// spawnIn has the keeper start a process in a group; nil stands for none.
func (h *Host) spawnIn(ctx context.Context, c *keeper.Client, g *cgroup.Group, s keeper.Spawn, fds []int) (keeper.Process, error) {
	if g == nil {
		return c.Spawn(ctx, s, fds)
	}
	pid, err := c.PID()
	if err != nil {
		return keeper.Process{}, err
	}
	home, err := h.groups.Home(pid)
	if err != nil {
		return keeper.Process{}, err
	}
	defer h.closing("the control groups of the keeper", home.Close)
	fds = slices.Clone(fds)
	if fd, ok := g.Inside(); ok {
		s.Cgroup2, fds = true, append(fds, fd)
	}
	s.Cgroup1 = len(g.Tasks())
	return c.Spawn(ctx, s, append(append(fds, g.Tasks()...), home.Tasks()...))
}

// How long to try to remove a group.
const (
	groupPause = 5 * time.Millisecond // before the first attempt but one; then twice as long each time
	groupTime  = 30 * time.Second
)

// removeGroup removes the group of a run whose process has ended. The kernel may
// see the process there for a moment longer; nobody waits for that.
func (h *Host) removeGroup(id string) {
	if h.groups == nil {
		return
	}
	err := h.groups.Remove(id)
	if errors.Is(err, cgroup.ErrBusy) {
		h.do(func() { h.removeBusyGroup(id) })
		return
	}
	h.removedGroup(id, err)
}

// removeBusyGroup tries until the group is empty. Whatever is in there is
// nobody's.
func (h *Host) removeBusyGroup(id string) {
	err := h.groups.Kill(id)
	for pause, deadline := groupPause, time.Now().Add(groupTime); ; pause *= 2 {
		if removeErr := h.groups.Remove(id); removeErr == nil || !errors.Is(removeErr, cgroup.ErrBusy) || time.Now().After(deadline) {
			h.removedGroup(id, errors.Join(removeErr, err))
			return
		}
		select {
		case <-h.ctx.Done(): // the next daemon removes it
			return
		case <-time.After(pause):
		}
	}
}

func (h *Host) removedGroup(id string, err error) {
	if err != nil {
		h.log.Warn("cannot remove a control group", "id", id, "error", err)
		return
	}
	h.cfg.Steps.Done("control group removed")
}

// removeGroups removes the groups of an earlier daemon that no run has.
func (h *Host) removeGroups() error {
	if h.groups == nil {
		return nil
	}
	ids, err := h.groups.List()
	if err != nil {
		return fmt.Errorf("looking for control groups that belong to nobody: %w", err)
	}
	for _, id := range ids {
		h.mu.Lock()
		_, used := h.runs[id]
		h.mu.Unlock()
		if used {
			continue
		}
		h.removedLeftover(vm.Name{}, "removing the control group %s, which belonged to nobody", id)
		h.removeGroup(id)
	}
	return nil
}

// lackOfMemory says why the kernel has killed the process of r for lack of
// memory, or is empty if it has not.
func (h *Host) lackOfMemory(r *run) string {
	exit := exitOf(r.exit)
	if h.groups == nil || exit.Signal != int(syscall.SIGKILL) {
		return ""
	}
	lack, err := h.groups.Lack(r.id)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // a daemon without groups has started it
			h.log.Warn("cannot tell whether there was a lack of memory", "unikernel", r.unit.record.Name, "error", err)
		}
		return ""
	}
	return outOfMemory(exit, lack, r.unit.record.Config.Memory, memoryLimit(r.unit.record))
}

// outOfMemory says in words why a process that ended so, and that nobody asked to
// end, was killed by the kernel, or is empty if the kernel did not. The guest has
// so many MB, and the process a limit of bytes.
func outOfMemory(exit vm.Exit, lack cgroup.Lack, guest int, limit int64) string {
	switch {
	case exit.Signal != int(syscall.SIGKILL) || lack.Kills == 0:
		return ""
	case lack.Limit:
		return fmt.Sprintf("out of memory: the kernel killed it because it wanted more than its limit of %d MB, which are %d MB of its own and %d MB to run it with",
			limit>>20, guest, limit>>20-int64(guest))
	}
	return "out of memory: the kernel killed it because the host, or the control group of all unikernels, had no memory left"
}

// closeGroups leaves the groups of what runs.
func (h *Host) closeGroups() error {
	if h.groups == nil {
		return nil
	}
	return h.groups.Close()
}
