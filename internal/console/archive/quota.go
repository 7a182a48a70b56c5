package archive

import "slices"

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
		if err := s.log.removeSegment(s.span.first); err != nil {
			a.log.Error("an old log of a console cannot be deleted", "unikernel", s.log.name, "error", err)
		}
		if s.last {
			s.log.removeDir()
		}
	}
}

// surplus takes the oldest segments of l off what there is, but keeps so many, until
// l may have so many bytes more. mu is held.
func (a *Archive) surplus(l *Log, room int64, keep int) (doomed []segment) {
	size := room
	for _, s := range l.spans {
		size += s.size
	}
	for size > a.each && len(l.spans) > keep {
		size -= l.spans[0].size
		doomed = append(doomed, a.takeOldest(l))
	}
	return doomed
}
