package archive

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"albatross/internal/vm"
)

// logCost is what a log counts for beside its bytes: a directory, and blocks of the
// file system that are not full. It also bounds how many logs there can be.
const logCost = 16 << 10

// cost is what a log counts for. Archive.mu is held.
func (l *Log) cost() int64 {
	if len(l.spans) == 0 {
		return 0
	}
	size := int64(logCost)
	for _, s := range l.spans {
		size += s.size
	}
	return size
}

// change makes a change to l.spans. mu is held.
func (a *Archive) change(l *Log, f func()) {
	a.total -= l.cost()
	f()
	a.total += l.cost()
}

// segmentSize returns how large a segment may become: where many unikernels write,
// each must do with less. mu is held.
func (a *Archive) segmentSize() int64 {
	return max(minSegment, min(a.each/segments, a.limit/int64(max(a.busy, 1))/segments*2))
}

// segment is one that is to be deleted.
type segment struct {
	log  *Log
	span span
	last bool // the log has no other
}

// takeOldest takes the oldest segment of l off what there is. mu is held.
func (a *Archive) takeOldest(l *Log) segment {
	oldest := l.spans[0]
	a.change(l, func() { l.spans = slices.Delete(slices.Clone(l.spans), 0, 1) })
	return segment{l, oldest, len(l.spans) == 0}
}

// remove deletes segments that were taken off what there is. What cannot be
// deleted is found again when the archive is opened.
func (a *Archive) remove(doomed []segment) {
	for _, s := range doomed {
		if err := os.Remove(s.log.path(s.span.first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Error("an old log of a console cannot be deleted", "console", s.log.name, "error", err)
		}
		if s.last {
			_ = os.Remove(s.log.dir()) // fails if there is something else
		}
	}
}

// excess takes so many segments off what there is that all logs together are not
// too large. mu is held.
func (a *Archive) excess() (doomed []segment) {
	if a.total <= a.limit {
		return nil
	}
	uses := map[vm.Label]int64{}
	for n, l := range a.logs {
		uses[tenant(n)] += l.cost()
	}
	slack := a.limit / 64 // so that it is not done for each line
	for a.total > a.limit-slack {
		l := a.victim(uses)
		if l == nil {
			break
		}
		before := l.cost()
		doomed = append(doomed, a.takeOldest(l))
		uses[tenant(l.name)] -= before - l.cost()
		a.forget(l)
	}
	return doomed
}

// tenant returns who has a console: the first label of its path, which all names
// have that were delegated together. Those at the root are one tenant.
func tenant(n vm.Name) vm.Label {
	if labels := n.Path().Labels(); len(labels) > 0 {
		return labels[0]
	}
	return ""
}

// victim returns the log whose oldest segment goes, nil if there is none: of the
// tenant who has most, that of the unikernel that ended first; else the largest.
// The segment that a unikernel writes to stays. mu is held.
func (a *Archive) victim(uses map[vm.Label]int64) *Log {
	var best *Log
	for _, l := range a.logs {
		if len(l.spans) == 0 || l.active && len(l.spans) == 1 {
			continue
		}
		if best == nil || worse(l, best, uses) {
			best = l
		}
	}
	return best
}

// worse reports whether l goes before m.
func worse(l, m *Log, uses map[vm.Label]int64) bool {
	s, t := tenant(l.name), tenant(m.name)
	switch {
	case uses[s] != uses[t]:
		return uses[s] > uses[t]
	case s != t:
		return s < t
	case l.active != m.active:
		return !l.active
	case !l.active:
		return l.written.Before(m.written)
	}
	return l.cost() > m.cost()
}
