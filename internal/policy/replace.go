package policy

import (
	"fmt"

	"albatross/internal/vm"
)

// Replacement is what a unikernel holds while it is replaced, by one of the same
// name or by itself with new arguments: of each resource, the more of what the
// old one had and what the new one asks for. So the new one can start, and if it
// does not, the old one can start again, whatever others reserve meanwhile.
//
//	Replace ──▶ old and new, the more of each ──Done──▶ new
//	                                          └─Undo──▶ old, or nothing
//
// Done and Undo are methods on the tree as all others, under the same lock. Only
// the first of them has an effect, and none where the unikernel was released or
// restored meanwhile.
type Replacement struct {
	tree     *Tree
	name     vm.Name
	old, new Demand
	had      bool // there is an old one
}

// ReplaceUnikernel checks that the unikernel n may have what d asks for in place
// of what it holds, which may be nothing, and reserves it. The error is an
// [*Error] of the nearest policy that does not allow it, [ErrReserved] where
// another replacement of n is under way, or [ErrInvalid].
//
// Only growth is checked: what n holds already it may have again, also where a
// policy is exceeded.
func (t *Tree) ReplaceUnikernel(n vm.Name, d Demand) (*Replacement, error) {
	u, had := t.unikernels[n]
	if had && u.swap != nil {
		return nil, fmt.Errorf("%w for unikernel %v: it is being replaced", ErrReserved, n)
	}
	if err := t.CheckUnikernel(n, d); err != nil {
		return nil, err
	}
	r := &Replacement{tree: t, name: n, new: d.own(), had: had}
	held := r.new
	if had {
		r.old = u.held
		held = r.old.with(r.new)
	}
	t.setUnikernel(n, held).swap = r
	return r, nil
}

// Done leaves the unikernel what its new form asked for.
func (r *Replacement) Done() {
	if r.pending() {
		r.tree.setUnikernel(r.name, r.new)
	}
}

// Undo leaves the unikernel what it held before.
func (r *Replacement) Undo() {
	switch {
	case !r.pending():
	case r.had:
		r.tree.setUnikernel(r.name, r.old)
	default:
		_ = r.tree.ReleaseUnikernel(r.name) // pending: it is reserved
	}
}

func (r *Replacement) pending() bool {
	u, ok := r.tree.unikernels[r.name]
	return ok && u.swap == r
}
