package image

import "math/bits"

// segments returns what has to be loaded. A PT_LOAD without contents in the
// file is passed over before anything else is looked at: Solo5's linker scripts
// make one for .bss, whose memory is zero anyway, and one at address 0 in every
// image that has no thread-local data.
func (f file) segments(phs []programHeader) ([]Segment, error) {
	var segs []Segment
	for _, ph := range phs {
		if ph.typ != elfLoad || ph.filesz == 0 {
			continue
		}
		s, err := f.segment(ph)
		if err != nil {
			return nil, err
		}
		if len(segs) > 0 {
			last := segs[len(segs)-1]
			if s.Vaddr < last.Vaddr {
				return nil, ph.refuse("is at address %#x, below %#x of the segment before it", s.Vaddr, last.Vaddr)
			}
			if s.Start < last.End {
				return nil, ph.refuse("starts at page %#x, but the segment before it ends at %#x", s.Start, last.End)
			}
		}
		segs = append(segs, s)
	}
	if len(segs) == 0 {
		return nil, refuse("it has no segment to load")
	}
	return segs, nil
}

// segment checks ph on its own.
func (f file) segment(ph programHeader) (Segment, error) {
	s := Segment{
		Offset: ph.offset,
		Filesz: ph.filesz,
		Vaddr:  ph.vaddr,
		Memsz:  ph.memsz,
		Perm:   Perm(ph.flags) & (PermR | PermW | PermX),
	}
	switch {
	case !f.contains(s.Offset, s.Filesz):
		return s, ph.refuse("takes %d bytes at offset %#x, which are not within the file's %d bytes", s.Filesz, s.Offset, f.size)
	case s.Memsz < s.Filesz:
		return s, ph.refuse("has %d bytes in the file, but only %d in memory", s.Filesz, s.Memsz)
	case s.Vaddr < MinAddress:
		return s, ph.refuse("is at address %#x, below the lowest allowed %#x", s.Vaddr, MinAddress)
	case s.Vaddr > MaxAddress || s.Memsz > MaxAddress-s.Vaddr:
		return s, ph.refuse("takes %d bytes at address %#x, beyond the highest allowed %#x", s.Memsz, s.Vaddr, uint64(MaxAddress))
	case bits.OnesCount64(ph.align) != 1:
		return s, ph.refuse("has the alignment %d, which is not a power of two", ph.align)
	case s.Perm&PermW != 0 && s.Perm&PermX != 0:
		return s, ph.refuse("is both writable and executable")
	}
	return s, s.align(ph)
}

// align sets Start and End. Vaddr+Memsz must not exceed MaxAddress, and the
// alignment be a power of two.
func (s *Segment) align(ph programHeader) error {
	mask := ph.align - 1
	s.Start = s.Vaddr &^ mask
	if s.Start < MinAddress {
		return ph.refuse("starts at %#x when aligned to %#x, below the lowest allowed address %#x", s.Start, ph.align, MinAddress)
	}
	// A start that is not 0 bounds the alignment to MaxAddress/2, which divides
	// MaxAddress: rounding up neither wraps nor leaves the address space.
	s.End = (s.Vaddr + s.Memsz + mask) &^ mask
	if s.Start%PageSize != 0 || s.End%PageSize != 0 {
		return ph.refuse("spans %#x to %#x, which is not page aligned", s.Start, s.End)
	}
	return nil
}
