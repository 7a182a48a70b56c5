package spt

import "albatross/internal/image"

// Arguments of system calls, from Linux's headers.
const (
	protNone  = 0
	protRead  = 1
	protWrite = 2
	protExec  = 4

	mapPrivate   = 0x02
	mapFixed     = 0x10
	mapAnonymous = 0x20
	mapNoreserve = 0x4000

	prSetName       = 15
	prSetTHPDisable = 41
	prSetNoNewPrivs = 38

	rlimitCore = 4

	seccompSetModeFilter = 1

	noFD = ^uint64(0) // -1
)

// guestBase is the lowest address a guest's memory has; what C tenders map below
// it nobody uses, and mapping it would wipe the boot info.
const guestBase = 0x100000

// addMemory appends the steps that make the guest's memory: anonymous pages
// first, then the segments over them.
func (s *script) addMemory(im *image.Image, mem uint64, noexec bool) {
	s.add("mapping the guest's memory", sysMmap, guestBase, mem-guestBase,
		protRead|protWrite, mapPrivate|mapFixed|mapAnonymous|mapNoreserve, noFD, 0)
	for _, seg := range im.Segments {
		s.addSegment(seg, noexec)
	}
}

// addSegment appends the steps that load one segment. Only whole pages inside
// the segment's part of the file are mapped: the page cache behind a page that
// the file does not fill would show bytes that are not the segment's.
func (s *script) addSegment(seg image.Segment, noexec bool) {
	fileEnd := seg.Vaddr + seg.Filesz
	mapStart := (seg.Vaddr + pageSize - 1) &^ (pageSize - 1)
	mapEnd := fileEnd &^ (pageSize - 1)
	mappable := seg.Offset%pageSize == seg.Vaddr%pageSize && !(noexec && seg.Perm&image.PermX != 0)
	if !mappable || mapStart >= mapEnd {
		s.addRead(seg, seg.Vaddr, fileEnd)
	} else {
		s.addRead(seg, seg.Vaddr, mapStart)
		s.add("mapping a segment of the image", sysMmap, mapStart, mapEnd-mapStart,
			protRead|protWrite, mapPrivate|mapFixed, fdImage, seg.Offset+(mapStart-seg.Vaddr))
		s.addRead(seg, mapEnd, fileEnd)
	}
	s.add("protecting a segment of the image", sysMprotect, seg.Start, seg.End-seg.Start, protection(seg.Perm))
}

// addRead appends the step that reads the segment's bytes for [from, to).
func (s *script) addRead(seg image.Segment, from, to uint64) {
	if from >= to {
		return
	}
	st := s.add("reading a segment of the image", sysPread64, fdImage, from, to-from, seg.Offset+(from-seg.Vaddr))
	st.expect = to - from
}

func protection(p image.Perm) uint64 {
	prot := uint64(protNone)
	if p&image.PermR != 0 {
		prot |= protRead
	}
	if p&image.PermW != 0 {
		prot |= protWrite
	}
	if p&image.PermX != 0 {
		prot |= protExec
	}
	return prot
}
