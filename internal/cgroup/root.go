package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Root is where the groups of one albatrossd are. Its methods may be called from
// any goroutine.
type Root struct {
	trees    []tree
	noLimits error // why there are none

	// The kernel fills a directory that is made with files, and removes one that
	// still has them.
	mkdir, rmdir func(string) error
}

// ErrRoot is returned by Open for a root that is no place for groups.
var ErrRoot = errors.New("the root of control groups is not a path below the top of a hierarchy")

// tree is our part of a hierarchy.
type tree struct {
	hierarchy
	root     string // absolute; shared with other instances
	instance string // absolute; below root
}

// Open makes the directories for the groups of one albatrossd in all hierarchies
// of this machine. root is a path relative to their tops, instance a name that no
// other albatrossd of this machine has. Groups of an earlier one of that name stay.
func Open(root, instance string) (*Root, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return nil, err
	}
	m := machine{string(mountinfo), string(release), controllers}
	r := &Root{mkdir: mkdir, rmdir: rmdir}
	if err := r.open(m, root, instance); err != nil {
		return nil, err
	}
	return r, nil
}

func mkdir(dir string) error { return os.Mkdir(dir, 0o755) }

func rmdir(dir string) error {
	if err := syscall.Rmdir(dir); err != nil { // os.Remove would try to unlink it first
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

func (r *Root) open(m machine, root, instance string) error {
	if !filepath.IsLocal(root) || filepath.Clean(root) == "." {
		return fmt.Errorf("%w: %q", ErrRoot, root)
	}
	if err := checkID(instance); err != nil {
		return err
	}
	found, err := m.find()
	if err != nil {
		return err
	}
	for _, h := range found {
		dir := filepath.Join(h.top, root)
		r.trees = append(r.trees, tree{h, dir, filepath.Join(dir, instance)})
	}
	if !slices.ContainsFunc(found, func(h hierarchy) bool { return h.memory }) {
		r.noLimits = errors.New("no hierarchy has the memory controller")
	}
	for i := range r.trees {
		t := &r.trees[i]
		noMemory, err := r.prepare(*t)
		if err != nil {
			return fmt.Errorf("making control groups in %v: %w", t.hierarchy, err)
		}
		if noMemory != nil {
			r.noLimits, t.memory = noMemory, false
		}
	}
	return nil
}

// prepareTries is how often directories are made that another albatrossd, which
// ends and finds them empty, removes again and again.
const prepareTries = 10

// prepare makes the directories that are missing, from the top of a hierarchy
// down to our instance. noMemory says why v2 does not let us have the memory
// controller there: groups can be made all the same.
func (r *Root) prepare(t tree) (noMemory, err error) {
	for range prepareTries {
		if noMemory, err = r.descend(t); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return noMemory, err
}

func (r *Root) descend(t tree) (noMemory, err error) {
	below, err := filepath.Rel(t.top, t.instance)
	if err != nil {
		return nil, err
	}
	dir := t.top
	noMemory = t.handDown(dir)
	for name := range strings.SplitSeq(below, "/") {
		dir = filepath.Join(dir, name)
		if err := r.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if noMemory == nil {
			noMemory = t.handDown(dir)
		}
	}
	if errors.Is(noMemory, fs.ErrNotExist) { // a directory has vanished
		return nil, noMemory
	}
	return noMemory, nil
}

// handDown has the groups below a v2 group get the memory controller, if that is
// wanted of v2.
func (t tree) handDown(dir string) error {
	if !t.v2 || !t.memory {
		return nil
	}
	path := filepath.Join(dir, "cgroup.subtree_control")
	has, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if slices.Contains(strings.Fields(string(has)), "memory") {
		return nil
	}
	err = write(path, "+memory")
	if errors.Is(err, syscall.EBUSY) {
		err = fmt.Errorf("%s has processes of its own and so cannot hand the memory controller down: choose another root", dir)
	}
	return err
}

// controllers returns those that the top of a v2 hierarchy has.
func controllers(top string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(top, "cgroup.controllers"))
	return strings.Fields(string(b)), err
}

// write writes to a file of the kernel's, which takes what it gets in one piece.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// Limits says why memory is not limited, or returns nil if it is.
func (r *Root) Limits() error { return r.noLimits }

// String tells which hierarchies are used, for a log.
func (r *Root) String() string {
	var all []string
	for _, t := range r.trees {
		all = append(all, t.String())
	}
	return strings.Join(all, ", ")
}

// Close removes the directories of the instance if they have no groups, and the
// root if it has no instances. Groups that are there stay, for the next one.
func (r *Root) Close() error {
	var errs []error
	for _, t := range r.trees {
		for _, dir := range []string{t.instance, t.root} {
			err := r.rmdir(dir)
			if errors.Is(err, syscall.EBUSY) {
				break // in use
			}
			if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
