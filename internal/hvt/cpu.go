package hvt

import (
	"encoding/binary"

	"albatross/internal/kvm"
)

// Bits of control registers and page table entries, from the manuals of the
// architecture.
const (
	cr0PE = 1 << 0
	cr0NE = 1 << 5
	cr0WP = 1 << 16
	cr0PG = 1 << 31

	cr4PAE        = 1 << 5
	cr4OSFXSR     = 1 << 9
	cr4OSXMMEXCPT = 1 << 10

	eferLME = 1 << 8
	eferLMA = 1 << 10

	ptePresent  = 1 << 0
	pteWritable = 1 << 1
	pteLarge    = 1 << 7

	rflagsReserved = 1 << 1 // always set
)

// Selectors: indices into the GDT times eight.
const (
	codeSelector = 8
	dataSelector = 16
	gdtEntries   = 3
)

// codeSegment is 64-bit code, executed and accessed; dataSegment is read-write
// data, accessed. Both are flat.
func codeSegment() kvm.Segment {
	return kvm.Segment{Selector: codeSelector, Limit: 1<<32 - 1, Type: 9, Present: 1, S: 1, L: 1, G: 1}
}

func dataSegment() kvm.Segment {
	return kvm.Segment{Selector: dataSelector, Limit: 1<<32 - 1, Type: 3, Present: 1, S: 1, DB: 1, G: 1}
}

// descriptor returns the GDT entry from which the processor would load s.
func descriptor(s kvm.Segment) uint64 {
	limit := uint64(s.Limit)
	if s.G != 0 {
		limit >>= 12
	}
	return limit&0xffff | s.Base&0xffffff<<16 |
		uint64(s.Type)<<40 | uint64(s.S)<<44 | uint64(s.DPL)<<45 | uint64(s.Present)<<47 |
		limit>>16&0xf<<48 |
		uint64(s.AVL)<<52 | uint64(s.L)<<53 | uint64(s.DB)<<54 | uint64(s.G)<<55 |
		s.Base>>24&0xff<<56
}

// writeGDT fills in the GDT, in case the guest reloads a segment register.
func writeGDT(mem []byte) {
	putTable(mem, gdtBase, []uint64{0, descriptor(codeSegment()), descriptor(dataSegment())})
}

// writePageTables maps guest memory one to one; see doc.go.
func writePageTables(mem []byte) {
	const directory = ptePresent | pteWritable
	putTable(mem, pml4Base, []uint64{pdptBase | directory})
	putTable(mem, pdptBase, []uint64{
		pdBase | directory,
		pdBase + pageSize | directory,
		pdBase + 2*pageSize | directory,
		pdBase + 3*pageSize | directory,
	})
	pds := []uint64{ptBase | directory}
	for at := uint64(largePageSize); at < uint64(len(mem)); at += largePageSize {
		pds = append(pds, at|ptePresent|pteWritable|pteLarge)
	}
	putTable(mem, pdBase, pds)
	pt := make([]uint64, largePageSize/pageSize)
	for i := range pt {
		switch at := uint64(i) * pageSize; {
		case at < bootInfoBase:
			// Not present.
		case at < guestBase:
			pt[i] = at | ptePresent
		default:
			pt[i] = at | ptePresent | pteWritable
		}
	}
	putTable(mem, ptBase, pt)
}

func putTable(mem []byte, base uint64, entries []uint64) {
	for i, e := range entries {
		binary.LittleEndian.PutUint64(mem[base+uint64(i)*8:], e)
	}
}

// initialSregs puts the processor into 64-bit mode on those tables.
func initialSregs() *kvm.Sregs {
	data := dataSegment()
	return &kvm.Sregs{
		CS: codeSegment(), DS: data, ES: data, FS: data, GS: data, SS: data,
		TR:   kvm.Segment{Type: 11, Present: 1}, // a busy TSS is required
		LDT:  kvm.Segment{Unusable: 1},
		GDT:  kvm.Table{Base: gdtBase, Limit: gdtEntries*8 - 1},
		CR0:  cr0PE | cr0PG | cr0NE | cr0WP,
		CR3:  pml4Base,
		CR4:  cr4PAE | cr4OSFXSR | cr4OSXMMEXCPT,
		EFER: eferLME | eferLMA,
	}
}

// initialRegs calls entry as a C function with the boot information as its only
// argument: rsp is such that rsp+8 is a multiple of 16.
func initialRegs(entry, memory uint64) *kvm.Regs {
	return &kvm.Regs{RIP: entry, RSP: memory - 8, RDI: bootInfoBase, RFLAGS: rflagsReserved}
}
