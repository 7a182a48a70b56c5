package archive

import (
	"cmp"
	"container/heap"

	"albatross/internal/vm"
)

// excess takes so many segments off what there is that all logs together are not
// too large. The segment that a unikernel writes to goes only where there is no other
// one. mu is held.
func (a *Archive) excess() (doomed []segment) {
	if a.total <= a.limit {
		return nil
	}
	slack := a.limit / 64 // so that it is not done for each line
	for _, spare := range []int{1, 0} {
		for all := a.tenants(spare); a.total > a.limit-slack && len(all.list) > 0; {
			t := all.list[0]
			l := t.logs.list[0]
			before := l.cost()
			doomed = append(doomed, a.takeOldest(l))
			t.use -= before - l.cost()
			t.logs.settle(l.mayGo(spare))
			all.settle(len(t.logs.list) > 0)
			a.forget(l)
		}
	}
	return doomed
}

// mayGo reports whether a segment of l may be deleted, if a unikernel keeps so many.
// mu is held.
func (l *Log) mayGo(spare int) bool {
	if !l.active {
		spare = 0
	}
	return len(l.spans) > spare
}

// tenants returns what those have of which something may be deleted. mu is held.
func (a *Archive) tenants(spare int) *ordered[*holding] {
	byLabel := map[vm.Label]*holding{}
	for n, l := range a.logs {
		label := tenant(n)
		h := byLabel[label]
		if h == nil {
			h = &holding{tenant: label, logs: ordered[*Log]{compare: compareLogs}}
			byLabel[label] = h
		}
		if h.use += l.cost(); l.mayGo(spare) {
			h.logs.list = append(h.logs.list, l)
		}
	}
	all := &ordered[*holding]{compare: compareHoldings}
	for _, h := range byLabel {
		if len(h.logs.list) > 0 {
			heap.Init(&h.logs)
			all.list = append(all.list, h)
		}
	}
	heap.Init(all)
	return all
}

// tenant returns who has a console: the first label of its path, which all names
// have that were delegated together. Those at the root are one tenant.
func tenant(n vm.Name) vm.Label {
	if labels := n.Path().Labels(); len(labels) > 0 {
		return labels[0]
	}
	return ""
}

// holding is what a tenant has.
type holding struct {
	tenant vm.Label
	use    int64         // bytes of all its logs
	logs   ordered[*Log] // of which segments may be deleted
}

// compareHoldings has who uses most come first.
func compareHoldings(a, b *holding) int {
	return cmp.Or(cmp.Compare(b.use, a.use), cmp.Compare(a.tenant, b.tenant))
}

// compareLogs has the log of the unikernel come first that ended first, and behind
// those of all that ended the largest.
func compareLogs(a, b *Log) int {
	switch {
	case a.active != b.active:
		if b.active {
			return -1
		}
		return 1
	case a.active:
		return cmp.Compare(b.cost(), a.cost())
	}
	return a.written.Compare(b.written)
}

// ordered is a heap.
type ordered[T any] struct {
	list    []T
	compare func(a, b T) int
}

// settle puts the first element where it belongs after it has changed, or takes it
// out.
func (o *ordered[T]) settle(stays bool) {
	if stays {
		heap.Fix(o, 0)
	} else {
		heap.Pop(o)
	}
}

// Len, Less, Swap, Push and Pop are for package heap.
func (o *ordered[T]) Len() int           { return len(o.list) }
func (o *ordered[T]) Less(i, j int) bool { return o.compare(o.list[i], o.list[j]) < 0 }
func (o *ordered[T]) Swap(i, j int)      { o.list[i], o.list[j] = o.list[j], o.list[i] }
func (o *ordered[T]) Push(v any)         { o.list = append(o.list, v.(T)) }

func (o *ordered[T]) Pop() any {
	last := len(o.list) - 1
	v := o.list[last]
	o.list = o.list[:last]
	return v
}
