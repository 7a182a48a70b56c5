package policy

import (
	"iter"
	"maps"
	"slices"

	"albatross/internal/vm"
)

// Tree holds the policies of a host and what is in use below them. Make one with
// [New].
type Tree struct {
	root       *node
	nodes      map[vm.Path]*node
	unikernels map[vm.Name]*unikernel
	blocks     map[vm.Name]int // MB
}

// node is a path. It exists while it is the root's, has a policy, has something
// in use in exactly its path, or has children.
type node struct {
	path     vm.Path
	label    vm.Label // the last of path
	parent   *node    // nil: the root
	children map[vm.Label]*node
	policy   *vm.Policy // nil: none here
	use      use        // at and below the path
}

// New returns the tree of a host with nothing in use. Its root policy is what the
// host has; the unikernels it allows may be the most an int holds.
func New(host vm.Policy) *Tree {
	root := &node{use: newUse()}
	t := &Tree{
		root:       root,
		nodes:      map[vm.Path]*node{{}: root},
		unikernels: map[vm.Name]*unikernel{},
		blocks:     map[vm.Name]int{},
	}
	root.policy = own(host)
	return t
}

// own returns a copy of p that shares nothing with it and has proper sets.
func own(p vm.Policy) *vm.Policy {
	p.CPUs, p.Bridges = vm.MakeSet(p.CPUs...), vm.MakeSet(p.Bridges...)
	if p.Block != nil {
		p.Block = new(*p.Block)
	}
	return &p
}

// nearest returns the node of p or, where there is none, of the nearest path
// above it.
func (t *Tree) nearest(p vm.Path) *node {
	for {
		if n, ok := t.nodes[p]; ok {
			return n
		}
		p = p.Parent() // the root is always there
	}
}

// grow returns the node of p, making it and those above it where they are not.
func (t *Tree) grow(p vm.Path) *node {
	if n, ok := t.nodes[p]; ok {
		return n
	}
	labels := p.Labels()
	n := &node{path: p, label: labels[len(labels)-1], parent: t.grow(p.Parent()), use: newUse()}
	if n.parent.children == nil {
		n.parent.children = map[vm.Label]*node{}
	}
	n.parent.children[n.label] = n
	t.nodes[p] = n
	return n
}

// prune takes n and those above it away where nothing needs them any more.
func (t *Tree) prune(n *node) {
	for n.parent != nil && n.policy == nil && n.use.empty() && len(n.children) == 0 {
		delete(t.nodes, n.path)
		delete(n.parent.children, n.label)
		n = n.parent
	}
}

// upward yields n and all nodes above it that have a policy, the root last.
func (n *node) upward() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for ; n != nil; n = n.parent {
			if n.policy != nil && !yield(n) {
				return
			}
		}
	}
}

// below yields all nodes below n that have a policy: a path before those below
// it, in the order of their labels.
func (n *node) below() iter.Seq[*node] {
	return func(yield func(*node) bool) { n.walkBelow(yield) }
}

func (n *node) walkBelow(yield func(*node) bool) bool {
	for _, l := range slices.Sorted(maps.Keys(n.children)) {
		c := n.children[l]
		if c.policy != nil && !yield(c) || !c.walkBelow(yield) {
			return false
		}
	}
	return true
}
