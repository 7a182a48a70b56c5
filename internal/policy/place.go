package policy

import (
	"slices"

	"albatross/internal/vm"
)

// Place returns the count CPUs, or fewer if there are not as many, that the
// policies from the path of n up to the root allow and that the fewest
// unikernels of the host may run on, n itself not counted; among equals the
// lowest. It is an [*Error] if the policies allow no CPU that all of them do.
func (t *Tree) Place(n vm.Name, count int) (vm.Set[int], error) {
	allowed := t.root.policy.CPUs
	for at := range t.nearest(n.Path()).upward() {
		if allowed = allowed.Without(allowed.Without(at.policy.CPUs)); len(allowed) == 0 {
			return nil, &Error{Path: at.path, Resource: CPUs, Denied: texts(t.root.policy.CPUs), Allowed: texts(at.policy.CPUs)}
		}
	}
	used := func(cpu int) int {
		others := t.root.use.cpus[cpu]
		if own, ok := t.unikernels[n]; ok && own.held.CPUs.Has(cpu) {
			others--
		}
		return others
	}
	ranked := slices.Clone(allowed)
	slices.SortStableFunc(ranked, func(a, b int) int { return used(a) - used(b) })
	return vm.MakeSet(ranked[:min(max(count, 1), len(ranked))]...), nil
}
