package policy

import (
	"cmp"
	"fmt"
	"slices"

	"albatross/internal/vm"
)

// MostMB is the most memory or block storage that one thing may ask for, 2^60
// bytes: no sum of them overflows, whatever a client or an old state says.
const MostMB = 1 << 40

// Demand is what a unikernel asks of the policies.
type Demand struct {
	CPUs    vm.Set[int]
	Memory  int // MB
	Bridges vm.Set[string]
}

// DemandOf returns what a unikernel with these arguments asks for. Its block
// devices are reserved for themselves.
func DemandOf(a vm.Arguments) Demand {
	bridges := make([]string, len(a.Nets))
	for i, n := range a.Nets {
		bridges[i] = n.HostBridge()
	}
	return Demand{CPUs: vm.MakeSet(a.CPUs...), Memory: a.Memory, Bridges: vm.MakeSet(bridges...)}
}

// own returns a copy of d that shares nothing with it and has proper sets.
func (d Demand) own() Demand {
	d.CPUs, d.Bridges = vm.MakeSet(d.CPUs...), vm.MakeSet(d.Bridges...)
	return d
}

// with returns what both d and e need at most, one at a time.
func (d Demand) with(e Demand) Demand {
	return Demand{
		CPUs:    union(d.CPUs, e.CPUs),
		Memory:  max(d.Memory, e.Memory),
		Bridges: union(d.Bridges, e.Bridges),
	}
}

func union[T cmp.Ordered](a, b vm.Set[T]) vm.Set[T] {
	return vm.MakeSet(slices.Concat(a, b)...)
}

// unikernel is a reservation. It never changes: another demand is another one, so
// that a [Replacement] knows its own.
type unikernel struct {
	held Demand
	swap *Replacement // under way, or nil
}

// CheckUnikernel says whether what d asks for could be had for the unikernel n,
// in place of what n holds, if anything. It reserves nothing. The error is that
// of [Tree.ReserveUnikernel] or [Tree.ReplaceUnikernel].
func (t *Tree) CheckUnikernel(n vm.Name, d Demand) error {
	if err := checkRequest(n, d.Memory); err != nil {
		return err
	}
	d = d.own()
	held := t.unikernels[n]
	for at := range t.nearest(n.Path()).upward() {
		if e := at.refuse(held, d); e != nil {
			e.Path = at.path
			return e
		}
	}
	return nil
}

// refuse says which limit of n's policy does not bear d in place of u, which may
// be nil, or returns nil.
func (n *node) refuse(u *unikernel, d Demand) *Error {
	var held Demand
	unikernels := 0
	if u != nil {
		held, unikernels = u.held, 1
	}
	p := n.policy
	if e := more(Unikernels, p.Unikernels, n.use.Unikernels, unikernels, 1); e != nil {
		return e
	}
	if e := more(Memory, p.Memory, n.use.Memory, held.Memory, d.Memory); e != nil {
		return e
	}
	if e := denied(CPUs, d.CPUs.Without(held.CPUs), p.CPUs); e != nil {
		return e
	}
	return denied(Bridges, d.Bridges.Without(held.Bridges), p.Bridges)
}

// ReserveUnikernel checks that the unikernel n may have what it asks for and
// counts it as in use. The error is an [*Error] of the nearest policy that does
// not allow it, [ErrReserved] where n holds something already, or [ErrInvalid].
func (t *Tree) ReserveUnikernel(n vm.Name, d Demand) error {
	if _, ok := t.unikernels[n]; ok {
		return fmt.Errorf("%w for unikernel %v", ErrReserved, n)
	}
	if err := t.CheckUnikernel(n, d); err != nil {
		return err
	}
	t.setUnikernel(n, d.own())
	return nil
}

// RestoreUnikernel counts what the unikernel n uses, in place of what it held,
// without refusing: it runs, or a saved state says that it is to. It returns what
// the policies from its path up are exceeded by now, less block storage. A memory that no policy
// could allow counts as the nearest that one could, 0 to [MostMB].
func (t *Tree) RestoreUnikernel(n vm.Name, d Demand) []*Error {
	d = d.own()
	d.Memory = min(max(d.Memory, 0), MostMB)
	t.setUnikernel(n, d)
	return slices.DeleteFunc(t.exceeded(n.Path()), func(e *Error) bool { return e.Resource == Block })
}

// ReleaseUnikernel gives back what the unikernel n holds, a replacement under way
// included. It fails with [ErrNotReserved] where that is nothing.
func (t *Tree) ReleaseUnikernel(n vm.Name) error {
	u, ok := t.unikernels[n]
	if !ok {
		return fmt.Errorf("%w for unikernel %v", ErrNotReserved, n)
	}
	delete(t.unikernels, n)
	at := t.grow(n.Path())
	at.countUnikernel(u.held, -1)
	t.prune(at)
	return nil
}

// setUnikernel makes n hold d, and only that.
func (t *Tree) setUnikernel(n vm.Name, d Demand) *unikernel {
	at := t.grow(n.Path())
	if old, ok := t.unikernels[n]; ok {
		at.countUnikernel(old.held, -1)
	}
	at.countUnikernel(d, 1)
	u := &unikernel{held: d}
	t.unikernels[n] = u
	return u
}

func (n *node) countUnikernel(d Demand, by int) {
	for ; n != nil; n = n.parent {
		n.use.addUnikernel(d, by)
	}
}

// checkRequest refuses what no policy could allow.
func checkRequest(n vm.Name, mb int) error {
	switch {
	case n.IsPath():
		return fmt.Errorf("%w: %v is a path, not the name of something in it", ErrInvalid, n)
	case mb < 0 || mb > MostMB:
		return fmt.Errorf("%w: %v asks for %d MB, which is not in 0…%d", ErrInvalid, n, mb, MostMB)
	}
	return nil
}
