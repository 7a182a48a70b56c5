package image

import "fmt"

// Limits of the address range that an image may occupy, in bytes.
const (
	// MinAddress is the lowest guest address of an image: what lies below
	// belongs to the tender (page tables, boot information).
	MinAddress = 0x100000
	// MaxAddress bounds the end of an image: the end of the user half of the
	// amd64 address space, so that sums of guest addresses cannot wrap.
	MaxAddress = 1 << 47

	// PageSize is the granularity of memory protection, in bytes.
	PageSize = 0x1000
)

// Target is the Solo5 tender an image was built for. The numbers are those of
// enum abi_target in Solo5's elf_abi.h.
type Target uint32

// Targets known to Solo5. Only TargetHVT and TargetSPT can be run here; the
// others have names so that a refusal can say what the image is.
const (
	TargetHVT    Target = 1
	TargetSPT    Target = 2
	TargetVirtio Target = 3
	TargetMuen   Target = 4
	TargetGenode Target = 5
	TargetXen    Target = 6
)

// hvtPage is the unit in which hvt maps a guest's memory, in bytes.
const hvtPage = 2 << 20

// RoundMemory returns the bytes of memory that a guest of the target gets which
// asks for n: hvt rounds down to whole pages of 2 MB, but to one at least.
func (t Target) RoundMemory(n uint64) uint64 {
	if t == TargetHVT && n > 0 {
		return max(n/hvtPage*hvtPage, hvtPage)
	}
	return n
}

// String returns Solo5's name of the target.
func (t Target) String() string {
	switch t {
	case TargetHVT:
		return "hvt"
	case TargetSPT:
		return "spt"
	case TargetVirtio:
		return "virtio"
	case TargetMuen:
		return "muen"
	case TargetGenode:
		return "genode"
	case TargetXen:
		return "xen"
	default:
		return fmt.Sprintf("target %d", uint32(t))
	}
}

// Perm is the access the guest has to a segment: a set of PermR, PermW and
// PermX. The bits are those of p_flags in an ELF program header.
type Perm uint8

// Bits of a Perm.
const (
	PermX Perm = 1
	PermW Perm = 2
	PermR Perm = 4
)

// String writes p in the manner of ls, for example "r-x".
func (p Perm) String() string {
	s := []byte("---")
	if p&PermR != 0 {
		s[0] = 'r'
	}
	if p&PermW != 0 {
		s[1] = 'w'
	}
	if p&PermX != 0 {
		s[2] = 'x'
	}
	return string(s)
}

// Segment is a part of the image that is loaded into guest memory. All fields
// but Perm count bytes.
type Segment struct {
	Offset uint64 // of the contents in the file; need not be page aligned
	Filesz uint64 // bytes to load from the file, > 0
	Vaddr  uint64 // guest address of the first byte
	Memsz  uint64 // ≥ Filesz; what exceeds Filesz is zero

	// Start and End bound the guest memory that Perm applies to: Vaddr rounded
	// down and Vaddr+Memsz rounded up to the alignment of the segment. Both are
	// page aligned.
	Start, End uint64
	Perm       Perm // never PermW and PermX together
}

// Image is what a tender has to know to run a unikernel. One that was returned
// by Read holds all that the package comment promises.
type Image struct {
	Target     Target // TargetHVT or TargetSPT
	ABIVersion uint32 // always SupportedABIVersion
	Entry      uint64 // guest address of the first instruction
	Segments   []Segment
	Manifest   Manifest
}

// End returns the end of the last segment that is loaded, page aligned: Solo5's
// kernel_end. A .bss that is a segment of its own lies behind it, as it does
// for Solo5's tenders. End of an image without segments is 0.
func (im *Image) End() uint64 {
	if len(im.Segments) == 0 {
		return 0
	}
	return im.Segments[len(im.Segments)-1].End
}

// CheckMemory reports whether the image fits in what its target makes of mem
// bytes of guest memory (RoundMemory). The error says how much memory the image
// needs at least.
func (im *Image) CheckMemory(mem uint64) error {
	end, rounded := im.End(), im.Target.RoundMemory(mem)
	if end <= rounded && im.Entry < rounded {
		return nil
	}
	needed := max(ceilMB(end), im.Entry/mb+1)
	if im.Target == TargetHVT {
		needed += needed % (hvtPage / mb)
	}
	return fmt.Errorf("image needs at least %d MB of memory, but only %s are given", needed, formatMemory(mem))
}

// mb is what a megabyte of guest memory is, in bytes.
const mb = 1 << 20

// ceilMB returns n bytes in MB, rounded up.
func ceilMB(n uint64) uint64 {
	if n%mb != 0 {
		return n/mb + 1
	}
	return n / mb
}

// formatMemory writes a number of bytes in MB if it is a whole number of them.
func formatMemory(n uint64) string {
	if n%mb == 0 {
		return fmt.Sprintf("%d MB", n/mb)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Error is the refusal of an image because of its content. Any other error of
// Read or of a Store is a failure of the machine, not of the image.
type Error struct {
	// Reason is a sentence without a capital letter and full stop that names
	// what is wrong, for example "program header 2 is writable and executable".
	Reason string
}

// Error returns the reason, with the subject of the sentence in front.
func (e *Error) Error() string { return "image refused: " + e.Reason }

// refuse makes an Error.
func refuse(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}
