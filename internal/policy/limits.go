package policy

import (
	"cmp"
	"fmt"

	"albatross/internal/vm"
)

// more says that limit cannot bear asked beside what others use, or nil. A
// request for no more than what is held already is never refused, so that what
// exceeds a limit can be replaced by something as large.
func more(r Resource, limit, used, held, asked int) *Error {
	others := used - held
	if asked <= held || asked <= max(limit, 0)-others {
		return nil
	}
	return &Error{Resource: r, Limit: limit, Used: others, Asked: asked}
}

// denied says what of asked is not in allowed, or nil.
func denied[T cmp.Ordered](r Resource, asked, allowed vm.Set[T]) *Error {
	rest := asked.Without(allowed)
	if len(rest) == 0 {
		return nil
	}
	return &Error{Resource: r, Denied: texts(rest), Allowed: texts(allowed)}
}

func texts[T cmp.Ordered](s vm.Set[T]) []string {
	out := make([]string, len(s))
	for i, e := range s {
		out[i] = fmt.Sprint(e)
	}
	return out
}

// larger says in what the policy of child exceeds that of above, a path above it.
func larger(above vm.Path, limit *vm.Policy, child vm.Path, p *vm.Policy, proposed bool) []*Error {
	var found []*Error
	report := func(e *Error) {
		e.Path, e.Proposed, e.Child = above, proposed, &child
		found = append(found, e)
	}
	if p.Unikernels > limit.Unikernels {
		report(&Error{Resource: Unikernels, Limit: limit.Unikernels, Asked: p.Unikernels})
	}
	if p.Memory > limit.Memory {
		report(&Error{Resource: Memory, Limit: limit.Memory, Asked: p.Memory})
	}
	if e := denied(CPUs, p.CPUs, limit.CPUs); e != nil {
		report(e)
	}
	if e := denied(Bridges, p.Bridges, limit.Bridges); e != nil {
		report(e)
	}
	switch {
	case p.Block == nil:
	case limit.Block == nil:
		report(&Error{Resource: Block, Limit: NoBlock, Asked: *p.Block})
	case *p.Block > *limit.Block:
		report(&Error{Resource: Block, Limit: *limit.Block, Asked: *p.Block})
	}
	return found
}

// first returns the first of several complaints as an error, or nil.
func first(found []*Error) error {
	if len(found) == 0 {
		return nil
	}
	return found[0]
}
