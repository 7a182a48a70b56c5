package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Home is where a process is in the v1 hierarchies. It must be closed.
type Home struct {
	tasks []*os.File
}

// Home finds the v1 groups of a process, which its threads can go back to. Where
// only v2 is used it is empty.
func (r *Root) Home(pid int) (_ *Home, err error) {
	home := &Home{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("finding the control groups of process %d: %w", pid, err), home.Close())
		}
	}()
	var cgroups []byte
	for _, t := range r.trees {
		if t.v2 {
			continue
		}
		if cgroups == nil {
			if cgroups, err = os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)); err != nil {
				return nil, err
			}
		}
		dir, err := t.place(string(cgroups))
		if err != nil {
			return nil, err
		}
		f, err := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		home.tasks = append(home.tasks, f)
	}
	return home, nil
}

// Tasks returns descriptors in the order of those of a [Group]: a thread of the
// process that writes "0" to each is home. They stay h's.
func (h *Home) Tasks() []int { return descriptors(h.tasks) }

// Close closes the descriptors.
func (h *Home) Close() error { return errors.Join(closeAll(h.tasks)...) }
