package lines

import "math"

// Queue holds the lines that a subscriber has not got yet. If it takes them too
// slowly the oldest are lost, and counted.
type Queue struct {
	ring *Ring
	lost int
}

// NewQueue returns an empty Queue of at most maxBytes bytes; see [NewRing].
func NewQueue(maxBytes int) *Queue {
	return &Queue{ring: NewRing(math.MaxInt, maxBytes)}
}

// Push adds a line.
func (q *Queue) Push(l Line) { q.lost += q.ring.Append(l) }

// Empty reports whether Take would give nothing.
func (q *Queue) Empty() bool { return q.ring.Len() == 0 }

// Take gives all lines, and how many were lost before the first of them. They
// are in a Ring that belongs to the caller now; spare, which it gives in
// exchange, is cleared and used from now on. Nothing is copied, so that a lock
// around it is held for a moment only.
func (q *Queue) Take(spare *Ring) (lost int, taken *Ring) {
	spare.Clear()
	lost, taken = q.lost, q.ring
	q.lost, q.ring = 0, spare
	return lost, taken
}

// NewSpare returns an empty Ring with the limits of q, for Take.
func (q *Queue) NewSpare() *Ring { return NewRing(q.ring.maxLines, q.ring.maxBytes) }

// Release gives memory back if q is empty.
func (q *Queue) Release() {
	if q.Empty() {
		q.ring.Release()
	}
}
