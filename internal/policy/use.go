package policy

import (
	"maps"
	"slices"

	"albatross/internal/vm"
)

// Use is what is in use at and below a path.
type Use struct {
	Unikernels int
	Memory     int // MB, of the unikernels
	Devices    int // block devices
	Block      int // MB, of the block devices
}

// use is Use and how many unikernels may run on each CPU and bridge, which a new
// policy must cover.
type use struct {
	Use
	cpus    map[int]int
	bridges map[string]int
}

func newUse() use { return use{cpus: map[int]int{}, bridges: map[string]int{}} }

func (u *use) empty() bool { return u.Unikernels == 0 && u.Devices == 0 }

// addUnikernel counts d by times 1 or -1.
func (u *use) addUnikernel(d Demand, by int) {
	u.Unikernels += by
	u.Memory += by * d.Memory
	count(u.cpus, d.CPUs, by)
	count(u.bridges, d.Bridges, by)
}

// addBlock counts a device of size mb by times 1 or -1.
func (u *use) addBlock(mb, by int) {
	u.Devices += by
	u.Block += by * mb
}

func count[T comparable](counts map[T]int, which []T, by int) {
	for _, e := range which {
		if counts[e] += by; counts[e] == 0 {
			delete(counts, e)
		}
	}
}

// Use returns what is in use at and below p, whether or not p has a policy.
func (t *Tree) Use(p vm.Path) Use {
	if n, ok := t.nodes[p]; ok {
		return n.use.Use
	}
	return Use{}
}

// exceeded says in what the policies from p up are exceeded by what is in use.
func (t *Tree) exceeded(p vm.Path) []*Error {
	var found []*Error
	for at := range t.nearest(p).upward() {
		found = append(found, at.use.exceeds(at.path, at.policy, false)...)
	}
	return found
}

// exceeds says in what u exceeds the policy p of the given path.
func (u *use) exceeds(path vm.Path, p *vm.Policy, proposed bool) []*Error {
	var found []*Error
	report := func(e *Error) {
		e.Path, e.Proposed, e.InUse = path, proposed, true
		found = append(found, e)
	}
	if u.Unikernels > max(p.Unikernels, 0) {
		report(&Error{Resource: Unikernels, Limit: p.Unikernels, Used: u.Unikernels})
	}
	if u.Memory > max(p.Memory, 0) {
		report(&Error{Resource: Memory, Limit: p.Memory, Used: u.Memory})
	}
	if e := denied(CPUs, vm.Set[int](slices.Sorted(maps.Keys(u.cpus))), p.CPUs); e != nil {
		report(e)
	}
	if e := denied(Bridges, vm.Set[string](slices.Sorted(maps.Keys(u.bridges))), p.Bridges); e != nil {
		report(e)
	}
	switch {
	case p.Block == nil && u.Devices > 0:
		report(&Error{Resource: Block, Limit: NoBlock, Used: u.Block})
	case p.Block != nil && u.Block > max(*p.Block, 0):
		report(&Error{Resource: Block, Limit: *p.Block, Used: u.Block})
	}
	return found
}
