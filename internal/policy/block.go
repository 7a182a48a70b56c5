package policy

import (
	"fmt"
	"slices"

	"albatross/internal/vm"
)

// CheckBlock says whether a new block device n of mb MB could be had. It reserves
// nothing. The error is that of [Tree.ReserveBlock].
func (t *Tree) CheckBlock(n vm.Name, mb int) error {
	if _, ok := t.blocks[n]; ok {
		return fmt.Errorf("%w for block device %v", ErrReserved, n)
	}
	if err := checkRequest(n, mb); err != nil {
		return err
	}
	for at := range t.nearest(n.Path()).upward() {
		if e := at.refuseBlock(mb); e != nil {
			e.Path = at.path
			return e
		}
	}
	return nil
}

func (n *node) refuseBlock(mb int) *Error {
	if n.policy.Block == nil {
		return &Error{Resource: Block, Limit: NoBlock, Used: n.use.Block, Asked: mb}
	}
	return more(Block, *n.policy.Block, n.use.Block, 0, mb)
}

// ReserveBlock checks that there may be a block device n of mb MB and counts it
// as in use, whether or not a unikernel has it. The error is an [*Error] of the
// nearest policy that does not allow it, [ErrReserved] where n is counted
// already, or [ErrInvalid].
func (t *Tree) ReserveBlock(n vm.Name, mb int) error {
	if err := t.CheckBlock(n, mb); err != nil {
		return err
	}
	t.setBlock(n, mb)
	return nil
}

// RestoreBlock counts a block device that exists, in place of what is counted
// for n, without refusing. It returns by how much block storage the policies from
// its path up are exceeded by now. A size that no policy could allow counts as the nearest that
// one could, 0 to [MostMB].
func (t *Tree) RestoreBlock(n vm.Name, mb int) []*Error {
	t.setBlock(n, min(max(mb, 0), MostMB))
	return slices.DeleteFunc(t.exceeded(n.Path()), func(e *Error) bool { return e.Resource != Block })
}

// ReleaseBlock gives back what the block device n takes. It fails with
// [ErrNotReserved] where that is nothing.
func (t *Tree) ReleaseBlock(n vm.Name) error {
	mb, ok := t.blocks[n]
	if !ok {
		return fmt.Errorf("%w for block device %v", ErrNotReserved, n)
	}
	delete(t.blocks, n)
	at := t.grow(n.Path())
	at.countBlock(mb, -1)
	t.prune(at)
	return nil
}

func (t *Tree) setBlock(n vm.Name, mb int) {
	at := t.grow(n.Path())
	if old, ok := t.blocks[n]; ok {
		at.countBlock(old, -1)
	}
	at.countBlock(mb, 1)
	t.blocks[n] = mb
}

func (n *node) countBlock(mb, by int) {
	for ; n != nil; n = n.parent {
		n.use.addBlock(mb, by)
	}
}
