package guestmem

import "slices"

// span is the half-open range [start, end) of guest addresses; start < end.
type span struct{ start, end uint64 }

// spans is a set of addresses: spans in ascending order, none empty, no two of
// them touching.
type spans []span

// add returns s with [start, end) joined to it.
func (s spans) add(start, end uint64) spans {
	if start >= end {
		return s
	}
	first := s.firstEndingAfter(start)
	if first > 0 && s[first-1].end == start {
		first--
	}
	last := first
	for last < len(s) && s[last].start <= end {
		start, end = min(start, s[last].start), max(end, s[last].end)
		last++
	}
	return slices.Replace(slices.Clone(s), first, last, span{start, end})
}

// overlap reports whether [start, end) and s have an address in common.
func (s spans) overlap(start, end uint64) bool {
	i := s.firstEndingAfter(start)
	return start < end && i < len(s) && s[i].start < end
}

// firstEndingAfter returns the index of the first span that ends after addr:
// the only one that can contain it.
func (s spans) firstEndingAfter(addr uint64) int {
	i, _ := slices.BinarySearchFunc(s, addr, func(sp span, a uint64) int {
		if sp.end <= a {
			return -1
		}
		return 1
	})
	return i
}
