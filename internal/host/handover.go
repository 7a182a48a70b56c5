package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/keeper"
	"albatross/internal/linux"
)

// Descriptors are what the process of a unikernel is looked at with, by the names
// api.File….
type Descriptors map[string]*linux.FD

// Close closes all of them.
func (d Descriptors) Close() error {
	var errs []error
	for _, fd := range d {
		errs = append(errs, fd.Close())
	}
	return errors.Join(errs...)
}

// ErrEnded says that a process has ended meanwhile.
var ErrEnded = errors.New("the process has ended")

// Describe opens what tells of the process of a change that runs, for one who may
// not open it. The error matches ErrEnded if that is too late.
func (h *Host) Describe(ctx context.Context, c Change) (_ Descriptors, err error) {
	d := Descriptors{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("looking at the process of %s: %w", c.Name, err), d.Close())
		}
	}()
	if c.run == nil || !c.Runs {
		return nil, ErrEnded
	}
	if err := d.openProcess(c.PID); err != nil {
		return nil, err
	}
	h.openGroup(d, c.run.id)
	if c.run.unit.record.Target == image.TargetHVT {
		d.openMachine(c.PID)
	}
	// The number was that of another process only if ours was reaped before it was
	// opened, and the keeper, which reaps it, knows.
	err = h.keeper.signal(ctx, c.run.id, 0, keeper.NoPurpose)
	if errors.Is(err, keeper.ErrUnknown) {
		err = ErrEnded
	}
	return d, err
}

// openProcess opens what the process with a number tells.
func (d Descriptors) openProcess(pid int) (err error) {
	defer func() {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrEnded
		}
	}()
	if d[api.FilePID], err = linux.PidfdOpen(pid); err != nil {
		return err
	}
	for _, name := range []string{api.FileStat, api.FileStatus} {
		if d[name], err = linux.OpenFile(filepath.Join("/proc", strconv.Itoa(pid), name)); err != nil {
			return err
		}
	}
	return nil
}

// openGroup opens what the control group of a run tells, if it has one.
func (h *Host) openGroup(d Descriptors, id string) {
	if h.groups == nil {
		return
	}
	files, err := h.groups.OpenCounters(id)
	if err != nil {
		h.log.Warn("the use of a control group cannot be told", "id", id, "error", err)
	}
	for name, fd := range files {
		d[name] = fd
	}
}

// openMachine takes what KVM counts out of the hvt tender that has a number: it
// keeps descriptors of KVM_GET_STATS_FD, which only the process that owns the
// machine can make. Their names in /proc tell which they are. What cannot be had
// is not counted: KVM before Linux 5.14 has none, and to take descriptors of
// another process is root's right.
func (d Descriptors) openMachine(pid int) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		kind, _, _ := strings.Cut(strings.TrimPrefix(target, "anon_inode:"), ":")
		if kind != api.FileMachine && kind != api.FileVCPU || d[kind] != nil {
			continue
		}
		number, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fd, err := linux.PidfdGetFD(d[api.FilePID], number); err == nil {
			d[kind] = fd
		}
	}
}
