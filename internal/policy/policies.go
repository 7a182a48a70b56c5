package policy

import (
	"fmt"

	"albatross/internal/vm"
)

// Entry is a policy and what is in use below it.
type Entry struct {
	Path   vm.Path
	Policy vm.Policy
	Use    Use
}

// Add sets the policy of a path other than the root, or replaces it, and reports
// whether that changed anything. A policy that is there already is never refused.
// The error is an [*Error] where p does not fit in a policy above, the nearest
// first, or does not cover a policy or what is in use below; [ErrInvalid] for the
// root. Whether p is of use to anyone is not asked: see [vm.Policy.Usable].
func (t *Tree) Add(path vm.Path, p vm.Policy) (changed bool, err error) {
	if path.IsRoot() {
		return false, fmt.Errorf("%w: the root's policy is what this host has, and cannot be set", ErrInvalid)
	}
	mine := own(p)
	n, ok := t.nodes[path]
	if ok && n.policy != nil && n.policy.Equal(*mine) {
		return false, nil
	}
	if err := first(t.beyond(path, mine)); err != nil {
		return false, err
	}
	if ok {
		if err := first(n.uncovered(mine, true)); err != nil {
			return false, err
		}
	}
	t.grow(path).policy = mine
	return true, nil
}

// beyond says in what p, at path, exceeds the policies above it except the root's.
func (t *Tree) beyond(path vm.Path, p *vm.Policy) []*Error {
	var found []*Error
	for n := range t.nearest(path.Parent()).upward() {
		if n != t.root {
			found = append(found, larger(n.path, n.policy, path, p, false)...)
		}
	}
	return found
}

// uncovered says in what the policies below n and what is in use exceed p, the
// policy of n.
func (n *node) uncovered(p *vm.Policy, proposed bool) []*Error {
	var found []*Error
	for c := range n.below() {
		found = append(found, larger(n.path, p, c.path, c.policy, proposed)...)
	}
	return append(found, n.use.exceeds(n.path, p, proposed)...)
}

// Remove takes the policy of a path away; those above it go on to limit what is
// there. It fails with [ErrNotFound], and for the root with [ErrInvalid].
func (t *Tree) Remove(path vm.Path) error {
	if path.IsRoot() {
		return fmt.Errorf("%w: the root's policy is what this host has, and cannot be removed", ErrInvalid)
	}
	n, ok := t.nodes[path]
	if !ok || n.policy == nil {
		return fmt.Errorf("%w at %v", ErrNotFound, path)
	}
	n.policy = nil
	t.prune(n)
	return nil
}

// Restore sets the policy of a path from a saved state without refusing, and
// returns in what it exceeds those above (except the root's) and does not cover
// what is below. For the root it is [Tree.SetRoot]; but a saved root policy tells
// of the host as it was, and is better left out.
func (t *Tree) Restore(path vm.Path, p vm.Policy) []*Error {
	n := t.grow(path)
	n.policy = own(p)
	return append(t.beyond(path, n.policy), n.uncovered(n.policy, false)...)
}

// SetRoot sets what the host has, when it is found anew. Nothing is taken away
// from what exceeds it; it returns what does, policies below included.
func (t *Tree) SetRoot(host vm.Policy) []*Error {
	t.root.policy = own(host)
	return t.root.uncovered(t.root.policy, false)
}

// Root returns what the host has.
func (t *Tree) Root() vm.Policy { return *own(*t.root.policy) }

// Policy returns the policy of exactly this path, and whether it has one.
func (t *Tree) Policy(path vm.Path) (vm.Policy, bool) {
	n, ok := t.nodes[path]
	if !ok || n.policy == nil {
		return vm.Policy{}, false
	}
	return *own(*n.policy), true
}

// UnikernelLimit returns how many unikernels the policy of exactly this path
// allows, 0 where it has none: what Albatross 2.7 tells its console daemon, which
// keeps as many rings.
func (t *Tree) UnikernelLimit(path vm.Path) int {
	if n, ok := t.nodes[path]; ok && n.policy != nil {
		return n.policy.Unikernels
	}
	return 0
}

// List returns the policies at and below a path, which need not have one: all of
// them for the root, whose own is the first. A path comes before those below it,
// in the order of their labels. Paths are whole; [vm.Path.RelativeTo] makes them
// what a reply to the client wants.
func (t *Tree) List(path vm.Path) []Entry {
	n, ok := t.nodes[path]
	if !ok {
		return nil
	}
	var entries []Entry
	add := func(n *node) { entries = append(entries, Entry{n.path, *own(*n.policy), n.use.Use}) }
	if n.policy != nil {
		add(n)
	}
	for c := range n.below() {
		add(c)
	}
	return entries
}

// Excess returns all that exceeds the policies in force, at and below a path:
// what is in use, and policies that do not fit in the nearest one above them, the
// root's included. It goes through all policies there.
func (t *Tree) Excess(path vm.Path) []*Error {
	n, ok := t.nodes[path]
	if !ok {
		return nil
	}
	var found []*Error
	if n.policy != nil {
		found = n.excess()
	}
	for c := range n.below() {
		found = append(found, c.excess()...)
	}
	return found
}

// excess says in what the policy of n exceeds the nearest above it, and what is
// in use exceeds it.
func (n *node) excess() []*Error {
	var found []*Error
	for above := range n.parent.upward() {
		found = larger(above.path, above.policy, n.path, n.policy, false)
		break
	}
	return append(found, n.use.exceeds(n.path, n.policy, false)...)
}
