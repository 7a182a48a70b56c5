package console

import (
	"bytes"
	"cmp"
	"container/heap"
	"iter"

	"albatross/internal/console/lines"
	"albatross/internal/wire"
)

// told is lines of one console, each with how many were lost before it. Who iterates
// over them again goes on where it stopped.
type told struct {
	teller
	all iter.Seq2[int, lines.Line]
}

// merge returns the messages of many consoles in the order of their times; those of
// one console keep theirs, whatever the clock did. Of a console whose turn has not come
// it has no more than a line in memory, since most may have ended long before others
// began.
func merge(consoles []told) iter.Seq[wire.Message] {
	return func(yield func(wire.Message) bool) {
		var h cursors
		defer func() {
			for _, c := range h {
				c.close()
			}
		}()
		for i, t := range consoles {
			c := &cursor{told: t, place: i}
			if c.first() {
				h = append(h, c)
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			c := h[0]
			if !c.tell(c.lost, c.line, yield) {
				return
			}
			if c.advance() {
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
		}
	}
}

// cursor is a place in the lines of one console.
type cursor struct {
	told
	place int // among the consoles
	lost  int
	line  lines.Line // that comes next

	next func() (int, lines.Line, bool) // nil while the first line has not been told
	stop func()
}

// first takes the first line.
func (c *cursor) first() bool {
	for lost, line := range c.all {
		c.lost, c.line = lost, lines.Line{Time: line.Time, Text: bytes.Clone(line.Text)}
		return true
	}
	return false
}

// advance takes the next line.
func (c *cursor) advance() (more bool) {
	if c.next == nil {
		c.next, c.stop = iter.Pull2(c.all)
	}
	c.lost, c.line, more = c.next()
	return more
}

// close ends it before there are no more lines.
func (c *cursor) close() {
	if c.stop != nil {
		c.stop()
	}
}

// cursors is a heap, that with the earliest line first.
type cursors []*cursor

func (h cursors) Len() int { return len(h) }

func (h cursors) Less(i, j int) bool {
	return cmp.Or(h[i].line.Time.Compare(h[j].line.Time), cmp.Compare(h[i].place, h[j].place)) < 0
}
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(c any)   { *h = append(*h, c.(*cursor)) }

func (h *cursors) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}

// newest has the times of the newest lines of many consoles, so many at most. The
// least of them is the first: it is a heap.
type newest struct {
	most  int
	times []lineTime
}

// lineTime is the time of a line of the console at a place.
type lineTime struct {
	ms    int64
	place int
}

// add adds the time of a line, unless there are enough later ones.
func (n *newest) add(t lineTime) {
	switch {
	case len(n.times) < n.most:
		heap.Push(n, t)
	case n.most > 0 && t.ms >= n.times[0].ms:
		n.times[0] = t
		heap.Fix(n, 0)
	}
}

// counts returns how many of them each of so many consoles has.
func (n *newest) counts(consoles int) []int64 {
	counts := make([]int64, consoles)
	for _, t := range n.times {
		counts[t.place]++
	}
	return counts
}

// Len, Less, Swap, Push and Pop are for package heap.
func (n *newest) Len() int { return len(n.times) }

func (n *newest) Less(i, j int) bool {
	a, b := n.times[i], n.times[j]
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.place, b.place)) < 0
}
func (n *newest) Swap(i, j int) { n.times[i], n.times[j] = n.times[j], n.times[i] }
func (n *newest) Push(t any)    { n.times = append(n.times, t.(lineTime)) }

func (n *newest) Pop() any {
	last := len(n.times) - 1
	t := n.times[last]
	n.times = n.times[:last]
	return t
}
