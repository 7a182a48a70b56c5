package cgroup

import (
	"errors"
	"io/fs"
	"path/filepath"

	"albatross/internal/linux"
)

// OpenCounters opens what tells the use of a group, by the names of the files:
//
//	CPU time   cpu.stat (v2) or cpuacct.usage (v1)
//	memory     memory.current (v2) or memory.usage_in_bytes (v1)
//	pressure   cpu.pressure, memory.pressure, io.pressure (v2, where the kernel has them)
//
// The caller owns the descriptors. Reads fail once the group is removed; one that
// is made later with the same name is not meant.
func (r *Root) OpenCounters(id string) (_ map[string]*linux.FD, err error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	files := map[string]*linux.FD{}
	defer func() {
		if err != nil {
			for _, fd := range files {
				err = errors.Join(err, fd.Close())
			}
		}
	}()
	for _, t := range r.trees {
		for _, name := range t.counters() {
			fd, err := linux.OpenFile(filepath.Join(t.group(id), name))
			if errors.Is(err, fs.ErrNotExist) {
				continue // the kernel lacks it, or the group is of a daemon that had none here
			}
			if err != nil {
				return nil, err
			}
			files[name] = fd
		}
	}
	return files, nil
}

// counters returns the files of a group that tell of its use.
func (t tree) counters() (files []string) {
	switch {
	case t.cpu && t.v2:
		files = append(files, "cpu.stat")
	case t.cpu:
		files = append(files, "cpuacct.usage")
	}
	if t.memory {
		files = append(files, t.usageFile())
	}
	if t.v2 {
		files = append(files, "cpu.pressure", "memory.pressure", "io.pressure")
	}
	return files
}
