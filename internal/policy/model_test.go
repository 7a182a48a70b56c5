package policy

import (
	"cmp"
	"slices"

	"albatross/internal/vm"
)

// model is the tree without its structure: lists that are gone through for each
// question, and [vm.Policy.FitsIn] for policies. It keeps no count of anything.
type model struct {
	policies map[vm.Path]vm.Policy // the root's included
	units    map[vm.Name]*modelUnit
	blocks   map[vm.Name]int
}

// modelUnit is a unikernel, and while it is replaced the old one and the new one.
type modelUnit struct {
	now  Demand
	next *Demand // being replaced: the new one
	none bool    // being replaced: there is no old one
}

func newModel(host vm.Policy) *model {
	return &model{
		policies: map[vm.Path]vm.Policy{{}: host},
		units:    map[vm.Name]*modelUnit{},
		blocks:   map[vm.Name]int{},
	}
}

// all returns the demands to count for one unikernel.
func (u *modelUnit) all() []Demand {
	switch {
	case u.next == nil:
		return []Demand{u.now}
	case u.none:
		return []Demand{*u.next}
	}
	return []Demand{u.now, *u.next}
}

// memory is what a unikernel may need at most.
func (u *modelUnit) memory() int {
	most := 0
	for _, d := range u.all() {
		most = max(most, d.Memory)
	}
	return most
}

// use adds up what is at and below p, leaving out the unikernel skip.
func (m *model) use(p vm.Path, skip vm.Name) Use {
	var u Use
	for n, unit := range m.units {
		if p.Contains(n.Path()) && n != skip {
			u.Unikernels++
			u.Memory += unit.memory()
		}
	}
	for n, mb := range m.blocks {
		if p.Contains(n.Path()) {
			u.Devices++
			u.Block += mb
		}
	}
	return u
}

// nobody is the name of no unikernel.
var nobody = vm.Name{}

// covers reports whether what is at and below at fits in p.
func (m *model) covers(at vm.Path, p vm.Policy) bool {
	for n, unit := range m.units {
		for _, d := range unit.all() {
			if at.Contains(n.Path()) && !(d.CPUs.SubsetOf(p.CPUs) && d.Bridges.SubsetOf(p.Bridges)) {
				return false
			}
		}
	}
	u := m.use(at, nobody)
	if p.Block == nil && u.Devices > 0 || p.Block != nil && u.Block > *p.Block {
		return false
	}
	return u.Unikernels <= p.Unikernels && u.Memory <= p.Memory
}

// mayAdd reports whether a policy may be set.
func (m *model) mayAdd(at vm.Path, p vm.Policy) bool {
	if old, ok := m.policies[at]; ok && old.Equal(p) {
		return true
	}
	for other, q := range m.policies {
		switch {
		case other.IsRoot() || other == at:
		case other.Contains(at) && p.FitsIn(q) != nil:
			return false
		case at.Contains(other) && q.FitsIn(p) != nil:
			return false
		}
	}
	return m.covers(at, p)
}

// refusers returns the policies that do not let n have d in place of what it has.
func (m *model) refusers(n vm.Name, d Demand) []vm.Path {
	unit, had := m.units[n]
	var held []Demand
	heldMemory := 0
	if had {
		held, heldMemory = unit.all(), unit.memory()
	}
	has := func(is func(Demand) bool) bool { return slices.ContainsFunc(held, is) }
	return m.those(n.Path(), func(at vm.Path, p vm.Policy) bool {
		others := m.use(at, n)
		if !had && others.Unikernels+1 > p.Unikernels {
			return true
		}
		if d.Memory > heldMemory && others.Memory+d.Memory > p.Memory {
			return true
		}
		for _, cpu := range d.CPUs {
			if !p.CPUs.Has(cpu) && !has(func(d Demand) bool { return d.CPUs.Has(cpu) }) {
				return true
			}
		}
		for _, bridge := range d.Bridges {
			if !p.Bridges.Has(bridge) && !has(func(d Demand) bool { return d.Bridges.Has(bridge) }) {
				return true
			}
		}
		return false
	})
}

// refuseBlock returns the policies that do not allow a new device in path.
func (m *model) refuseBlock(path vm.Path, mb int) []vm.Path {
	return m.those(path, func(at vm.Path, p vm.Policy) bool {
		return p.Block == nil || mb > 0 && m.use(at, nobody).Block+mb > *p.Block
	})
}

// those returns the paths of the policies from path up that bad is true of, the
// nearest first.
func (m *model) those(path vm.Path, bad func(vm.Path, vm.Policy) bool) []vm.Path {
	var found []vm.Path
	for at, p := range m.policies {
		if at.Contains(path) && bad(at, p) {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, func(a, b vm.Path) int { return cmp.Compare(len(b.Wire()), len(a.Wire())) })
	return found
}

// exceeded returns the policies that are smaller than what is in use, or than
// one of which they are the nearest above.
func (m *model) exceeded() map[vm.Path]bool {
	found := map[vm.Path]bool{}
	for at, p := range m.policies {
		if !m.covers(at, p) {
			found[at] = true
		}
		if at.IsRoot() {
			continue
		}
		above := m.those(at.Parent(), func(vm.Path, vm.Policy) bool { return true })[0]
		if p.FitsIn(m.policies[above]) != nil {
			found[above] = true
		}
	}
	return found
}

// paths returns all paths that something is at, and those above them.
func (m *model) paths() map[vm.Path]bool {
	found := map[vm.Path]bool{}
	add := func(p vm.Path) {
		for ; !p.IsRoot(); p = p.Parent() {
			found[p] = true
		}
		found[p] = true
	}
	for p := range m.policies {
		add(p)
	}
	for n := range m.units {
		add(n.Path())
	}
	for n := range m.blocks {
		add(n.Path())
	}
	return found
}
