package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"albatross/internal/linux"
)

// ErrBusy is what the error of Remove matches while a group has processes. One
// that ended may count for a moment longer than its parent has waited.
const ErrBusy = syscall.EBUSY

// Limits are those of one group.
type Limits struct {
	// Memory is the most bytes that its processes may use, with what the kernel
	// keeps for them: page tables, cached pages of files. 0 is no limit.
	Memory int64
}

// Group is a new group that a process can be started in. It must be closed;
// the group itself stays.
type Group struct {
	inside *os.File   // directory of the v2 hierarchy; nil: there is none
	tasks  []*os.File // one of each v1 hierarchy, in the order of Home's
}

// Create makes a group. The id is a file name that was never used for another.
func (r *Root) Create(id string, l Limits) (_ *Group, err error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	g := &Group{}
	made := 0
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(fmt.Errorf("making a control group: %w", err), g.Close())
		for _, t := range r.trees[:made] {
			err = errors.Join(err, r.rmdir(t.group(id)))
		}
	}()
	for _, t := range r.trees {
		err := r.mkdir(t.group(id))
		if errors.Is(err, fs.ErrNotExist) { // someone has tidied up
			if _, err = r.prepare(t); err == nil {
				err = r.mkdir(t.group(id))
			}
		}
		if err != nil {
			return nil, err
		}
		made++
		if err := g.open(t, id, l); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func checkID(id string) error {
	if id == "" || strings.HasPrefix(id, ".") || strings.ContainsAny(id, "/\n\x00") {
		return fmt.Errorf("%q is no name for a control group", id)
	}
	return nil
}

func (t tree) group(id string) string { return filepath.Join(t.instance, id) }

// open sets the limits of a group in one hierarchy, and opens what a process is
// put there with.
func (g *Group) open(t tree, id string, l Limits) error {
	if t.memory && l.Memory > 0 {
		if err := write(filepath.Join(t.group(id), t.limitFile()), strconv.FormatInt(l.Memory, 10)); err != nil {
			return err
		}
	}
	if t.v2 {
		f, err := os.Open(t.group(id))
		g.inside = f
		return err
	}
	f, err := os.OpenFile(filepath.Join(t.group(id), "tasks"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	g.tasks = append(g.tasks, f)
	return nil
}

func (t tree) limitFile() string {
	if t.v2 {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

// Inside returns the descriptor of the v2 group for CLONE_INTO_CGROUP, or false
// where there is no v2 group. It stays g's.
func (g *Group) Inside() (fd int, ok bool) {
	if g.inside == nil {
		return -1, false
	}
	return int(g.inside.Fd()), true
}

// Tasks returns descriptors of the v1 groups: a thread that writes "0" to each
// is inside. They stay g's.
func (g *Group) Tasks() []int { return descriptors(g.tasks) }

func descriptors(files []*os.File) []int {
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	return fds
}

// Close closes the descriptors. A nil Group has none.
func (g *Group) Close() error {
	if g == nil {
		return nil
	}
	errs := closeAll(g.tasks)
	if g.inside != nil {
		errs = append(errs, g.inside.Close())
	}
	return errors.Join(errs...)
}

func closeAll(files []*os.File) []error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errs
}

// Remove removes a group from all hierarchies. One that is not there is removed.
// While it has processes the error matches [ErrBusy].
func (r *Root) Remove(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	var errs []error
	for _, t := range r.trees {
		if err := r.rmdir(t.group(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// List returns the ids of all groups that are in any hierarchy, sorted.
func (r *Root) List() ([]string, error) {
	var ids []string
	for _, t := range r.trees {
		entries, err := os.ReadDir(t.instance)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() {
				ids = append(ids, e.Name())
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Kill sends SIGKILL to all processes of a group, if there are any.
func (r *Root) Kill(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	var errs []error
	for _, t := range r.trees {
		err := t.kill(id)
		if t.v2 && err == nil {
			return nil // the processes of the others are the same
		}
		if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (t tree) kill(id string) error {
	if t.v2 {
		err := write(filepath.Join(t.group(id), "cgroup.kill"), "1") // Linux 5.14
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	pids, err := t.processes(id)
	if err != nil {
		return err
	}
	var errs []error
	for _, pid := range pids {
		errs = append(errs, t.killProcess(id, pid))
	}
	return errors.Join(errs...)
}

// killProcess kills a process if it is still the one that is in the group.
func (t tree) killProcess(id string, pid int) error {
	fd, err := linux.PidfdOpen(pid)
	if err == nil {
		defer fd.Close()
		var still []int
		if still, err = t.processes(id); err == nil && slices.Contains(still, pid) {
			err = linux.PidfdSendSignal(fd, syscall.SIGKILL)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has ended
	}
	return err
}

// processes returns those of a group.
func (t tree) processes(id string) ([]int, error) {
	f, err := os.Open(filepath.Join(t.group(id), "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var pids []int
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if pid > 0 { // 0 stands for one of another pid namespace
			pids = append(pids, pid)
		}
	}
	return pids, lines.Err()
}
