package hvt

import (
	"fmt"

	"albatross/internal/image"
)

// Guest addresses of what the tender puts below the image; drawn in doc.go.
const (
	gdtBase      = 0x1000
	pml4Base     = 0x2000
	pdptBase     = 0x3000
	pdBase       = 0x4000
	ptBase       = 0x8000
	bootInfoBase = 0x10000
	guestBase    = 0x100000 // HVT_GUEST_MIN_BASE
)

// Sizes in bytes.
const (
	pageSize      = 0x1000
	largePageSize = 0x200000
	bootInfoSize  = 56
	cmdlineSize   = 8192 // HVT_CMDLINE_SIZE, terminator included
)

// Limits of a guest's memory in bytes. The page tables are made of large pages
// and there are four pages of page directories.
const (
	MinMemory = largePageSize
	MaxMemory = 2048 * largePageSize
)

// RoundMemory returns the memory a guest gets that asks for n bytes: rounded
// down to whole large pages of 2 MB, but at least one. More than MaxMemory is
// an error.
func RoundMemory(n uint64) (uint64, error) {
	if n > MaxMemory {
		return 0, fmt.Errorf("guest memory of %d MB: an hvt unikernel can have at most %d MB", n>>20, uint64(MaxMemory)>>20)
	}
	return max(image.TargetHVT.RoundMemory(n), MinMemory), nil
}
