// Package imagetest builds Solo5 unikernel images for tests.
//
// [Build] makes a well-formed image in the shape that Solo5's linker scripts
// give one. Tests of refusals break it afterwards, byte by byte, at the places
// that [ProgramHeader] and [FindProgramHeader] find:
//
//	b := imagetest.Build(imagetest.Spec{})
//	text := imagetest.FindProgramHeader(b, imagetest.Load, 0)
//	binary.LittleEndian.PutUint32(b[text+imagetest.PhFlags:], 7)
//
// The package shares no code with the reader that it tests, only the types that
// describe an image.
package imagetest

import (
	"bytes"
	"encoding/binary"

	"albatross/internal/image"
)

// Defaults of a Spec.
const (
	DefaultEntry = 0x100000 // the address of the first segment, too
	DefaultAlign = 0x1000
)

// Spec describes an image. The zero value is an hvt image without devices that
// has a text and a data segment.
type Spec struct {
	Target     image.Target // 0: image.TargetHVT
	ABIVersion uint32       // 0: image.SupportedABIVersion
	Entry      uint64       // 0: DefaultEntry
	Segments   []Segment    // nil: DefaultSegments()
	// Devices are the entries of the manifest behind the reserved one, which
	// Build adds: the first of them has handle 1.
	Devices []image.Device
	// Packed puts the contents of the segments back to back in the file. They
	// cannot be mapped from there, but the image has a few hundred bytes only,
	// which suits fuzzing.
	Packed bool
}

// Segment is a PT_LOAD program header and its contents.
type Segment struct {
	Vaddr uint64
	Data  []byte
	Memsz uint64 // 0: len(Data)
	Align uint64 // 0: DefaultAlign
	Perm  image.Perm
}

// DefaultSegments returns the segments of the zero Spec: one page of text that
// is an endless loop and one of data. Every call returns a fresh copy.
func DefaultSegments() []Segment {
	return []Segment{
		{Vaddr: DefaultEntry, Data: []byte{0xeb, 0xfe}, Perm: image.PermR | image.PermX},
		{Vaddr: DefaultEntry + 0x1000, Data: []byte("data"), Memsz: 0x1000, Perm: image.PermR | image.PermW},
	}
}

// Types of program headers.
const (
	Load   = 1
	Interp = 3
	Note   = 4
	TLS    = 7
)

// Build returns the bytes of the image. Nothing about s is checked, so a Spec
// may describe an image that has to be refused. The program headers are:
//
//	PT_INTERP                   the interpreter that does not exist
//	PT_LOAD                     for each of s.Segments
//	PT_TLS, PT_LOAD             without contents, at address 0
//	PT_NOTE, PT_NOTE, PT_NOTE   of OpenBSD, the ABI, the manifest
func Build(s Spec) []byte {
	s = s.withDefaults()
	const interp = "/nonexistent/solo5/\x00\x00\x00\x00\x00"
	f := file{entry: s.Entry}
	f.add(phdr{typ: Interp, flags: 4, vaddr: DefaultEntry, align: 8}, []byte(interp))
	for _, seg := range s.Segments {
		f.add(phdr{
			typ: Load, flags: uint32(seg.Perm), vaddr: seg.Vaddr,
			memsz: seg.Memsz, align: seg.Align, page: !s.Packed,
		}, seg.Data)
	}
	f.add(phdr{typ: TLS, align: 8}, nil)
	f.add(phdr{typ: Load, flags: 6, memsz: 0x200000, align: 0x1000}, nil)
	f.add(phdr{typ: Note, flags: 4, align: 4}, NoteBytes("OpenBSD\x00", 1, make([]byte, 4)))
	f.add(phdr{typ: Note, flags: 4, align: 4}, NoteBytes("Solo5\x00", 0x31494241, abiBytes(s)))
	f.add(phdr{typ: Note, flags: 4, align: 4}, NoteBytes("Solo5\x00", 0x3154464d, manifestBytes(s.Devices)))
	return f.bytes()
}

func (s Spec) withDefaults() Spec {
	if s.Target == 0 {
		s.Target = image.TargetHVT
	}
	if s.ABIVersion == 0 {
		s.ABIVersion = image.SupportedABIVersion
	}
	if s.Entry == 0 {
		s.Entry = DefaultEntry
	}
	if s.Segments == nil {
		s.Segments = DefaultSegments()
	}
	segs := make([]Segment, len(s.Segments))
	for i, seg := range s.Segments {
		if seg.Memsz == 0 {
			seg.Memsz = uint64(len(seg.Data))
		}
		if seg.Align == 0 {
			seg.Align = DefaultAlign
		}
		segs[i] = seg
	}
	s.Segments = segs
	return s
}

// NoteBytes returns an ELF note. The name includes its terminating zero.
func NoteBytes(name string, typ uint32, desc []byte) []byte {
	var b []byte
	b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(desc)))
	b = binary.LittleEndian.AppendUint32(b, typ)
	b = append(b, name...)
	b = pad(b, 4)
	return append(b, desc...)
}

func abiBytes(s Spec) []byte {
	b := make([]byte, 16)
	binary.LittleEndian.PutUint32(b[0:], uint32(s.Target))
	binary.LittleEndian.PutUint32(b[4:], s.ABIVersion)
	return b
}

// manifestBytes returns the descriptor of the manifest note, which starts with
// four bytes of padding.
func manifestBytes(devices []image.Device) []byte {
	entries := append([]image.Device{{Kind: image.KindReserved}}, devices...)
	b := make([]byte, 12+104*len(entries))
	binary.LittleEndian.PutUint32(b[4:], 1)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(entries)))
	for i, d := range entries {
		e := b[12+104*i:]
		copy(e[:68], d.Name)
		binary.LittleEndian.PutUint32(e[68:], uint32(d.Kind))
	}
	return b
}

// pad appends zeroes until the length is a multiple of n.
func pad(b []byte, n int) []byte {
	return append(b, bytes.Repeat([]byte{0}, (n-len(b)%n)%n)...)
}
