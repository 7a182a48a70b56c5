package sample

import (
	"errors"
	"sync"
)

// ErrNoDescriptors says that there are as many processes as there are descriptors
// to look at them with.
var ErrNoDescriptors = errors.New("no descriptors are left")

// Budget bounds how many descriptors processes keep open beside those that were
// handed over. While there are plenty all that is read is kept open; then only
// what must be, and the rest is opened for each sample, which takes longer. A nil
// *Budget has plenty of what must be open and nothing else.
type Budget struct {
	mu      sync.Mutex
	left    int // guarded by mu
	reserve int // how many are for what must be open
}

// NewBudget returns one of so many descriptors.
func NewBudget(descriptors int) *Budget {
	return &Budget{left: descriptors, reserve: descriptors * 2 / 3}
}

// need takes one that must be had.
func (b *Budget) need() error {
	if b != nil && !b.take(0) {
		return ErrNoDescriptors
	}
	return nil
}

// want takes one if there are plenty.
func (b *Budget) want() bool { return b != nil && b.take(b.reserve) }

func (b *Budget) take(above int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left <= above {
		return false
	}
	b.left--
	return true
}

// giveBack is called once so many are closed.
func (b *Budget) giveBack(descriptors int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += descriptors
}
