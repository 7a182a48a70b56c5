package vm

import (
	"errors"
	"fmt"
)

// MinPolicyMemory is the memory in MB that a usable policy must exceed.
const MinPolicyMemory = 16

// Policy says how much all unikernels at and below a path may use together.
type Policy struct {
	Unikernels int         // how many may exist
	CPUs       Set[int]    // the CPU numbers they may be placed on
	Memory     int         // MB
	Block      *int        `json:",omitempty"` // MB of block storage; nil: none at all
	Bridges    Set[string] // the bridges they may attach to
}

// Usable says why p can be of no use to anyone, or nil.
func (p Policy) Usable() error {
	switch {
	case p.Unikernels <= 0:
		return errors.New("the policy allows no unikernels")
	case len(p.CPUs) == 0:
		return errors.New("the policy allows no CPU")
	case p.Memory <= MinPolicyMemory:
		return fmt.Errorf("the policy allows %d MB memory, which is not more than %d MB", p.Memory, MinPolicyMemory)
	case p.Block != nil && *p.Block < 0:
		return fmt.Errorf("the policy allows %d MB block storage, which is less than none", *p.Block)
	}
	return nil
}

// FitsIn says which limit of above p exceeds, or nil where p is smaller than or
// equal to above in every field.
func (p Policy) FitsIn(above Policy) error {
	if p.Unikernels > above.Unikernels {
		return fmt.Errorf("the policy above allows %d unikernels, which is fewer than %d", above.Unikernels, p.Unikernels)
	}
	if p.Memory > above.Memory {
		return fmt.Errorf("the policy above allows %d MB memory, which is fewer than %d MB", above.Memory, p.Memory)
	}
	if more := p.CPUs.Without(above.CPUs); len(more) > 0 {
		return fmt.Errorf("the policy above does not allow the CPUs %v", more)
	}
	if more := p.Bridges.Without(above.Bridges); len(more) > 0 {
		return fmt.Errorf("the policy above does not allow the bridges %v", more)
	}
	switch {
	case p.Block == nil:
	case above.Block == nil:
		return errors.New("the policy above allows no block storage")
	case *p.Block > *above.Block:
		return fmt.Errorf("the policy above allows %d MB block storage, which is fewer than %d MB", *above.Block, *p.Block)
	}
	return nil
}

// Equal reports whether both policies allow the same.
func (p Policy) Equal(q Policy) bool {
	return p.Unikernels == q.Unikernels && p.CPUs.Equal(q.CPUs) && p.Memory == q.Memory &&
		equalPtr(p.Block, q.Block) && p.Bridges.Equal(q.Bridges)
}

func equalPtr[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
