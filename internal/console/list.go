package console

import (
	"cmp"
	"slices"

	"albatross/internal/vm"
)

// inactive returns the names of consoles in path that no unikernel writes to,
// relative to it: those that are in memory, and those that are on disk only. There may
// be many, so nobody waits while they are sorted.
func (d *Daemon) inactive(path vm.Path) []vm.Name {
	names := d.silent(path)
	for i, n := range names {
		names[i], _ = n.RelativeTo(path)
	}
	slices.SortFunc(names, func(a, b vm.Name) int { return cmp.Compare(a.Wire(), b.Wire()) })
	return names
}

// silent returns the names of those consoles, in no order.
func (d *Daemon) silent(path vm.Path) []vm.Name {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(d.known(path), func(n vm.Name) bool {
		c := d.consoles[n]
		return c != nil && c.active()
	})
}

// known returns the names of all consoles at and below a path, in no order. mu is
// held.
func (d *Daemon) known(path vm.Path) []vm.Name {
	var names []vm.Name
	for name, c := range d.consoles {
		if path.Contains(name.Path()) && c.added {
			names = append(names, name)
		}
	}
	if d.archive == nil {
		return names
	}
	for _, name := range d.archive.Names(path) {
		if c := d.consoles[name]; c == nil || !c.added {
			names = append(names, name)
		}
	}
	return names
}
