package kvm

import "unsafe"

// Regs are the general-purpose registers: struct kvm_regs.
type Regs struct {
	RAX, RBX, RCX, RDX uint64
	RSI, RDI, RSP, RBP uint64
	R8, R9, R10, R11   uint64
	R12, R13, R14, R15 uint64
	RIP, RFLAGS        uint64
}

// Segment is a segment register with its hidden part: struct kvm_segment. The
// limit is in bytes, whatever G says; flags are 0 or 1.
type Segment struct {
	Base                           uint64
	Limit                          uint32
	Selector                       uint16
	Type                           uint8
	Present, DPL, DB, S, L, G, AVL uint8
	Unusable                       uint8
	_                              uint8
}

// Table is a descriptor table register: struct kvm_dtable.
type Table struct {
	Base  uint64
	Limit uint16 // bytes, minus one
	_     [3]uint16
}

// Sregs are the segment, table and control registers: struct kvm_sregs.
type Sregs struct {
	CS, DS, ES, FS, GS, SS  Segment
	TR, LDT                 Segment
	GDT, IDT                Table
	CR0, CR2, CR3, CR4, CR8 uint64
	EFER                    uint64
	APICBase                uint64
	InterruptBitmap         [4]uint64
}

// SetRegs sets the general-purpose registers.
func (c *VCPU) SetRegs(r *Regs) error {
	return ioctlPtr(c.fd, "KVM_SET_REGS", ioSetRegs, unsafe.Pointer(r))
}

// Regs returns the general-purpose registers.
func (c *VCPU) Regs() (Regs, error) {
	var r Regs
	err := ioctlPtr(c.fd, "KVM_GET_REGS", ioGetRegs, unsafe.Pointer(&r))
	return r, err
}

// SetSregs sets the segment, table and control registers.
func (c *VCPU) SetSregs(s *Sregs) error {
	return ioctlPtr(c.fd, "KVM_SET_SREGS", ioSetSregs, unsafe.Pointer(s))
}

// The sizes are part of the request numbers.
var (
	_ [0x90]byte  = [unsafe.Sizeof(Regs{})]byte{}
	_ [0x138]byte = [unsafe.Sizeof(Sregs{})]byte{}
	_ [0x20]byte  = [unsafe.Sizeof(memoryRegion{})]byte{}
)
