// Package guestmem is the physical memory of a guest, as its tender sees it:
// one anonymous mapping that is handed to KVM as a memory slot, behind
// accessors that a hostile guest cannot lead outside of it.
//
//	guest address 0                                              Size()
//	|  tender's tables  |  text (frozen)  |  data, heap, stack  |
//	 \___ guarded ____/  \__ PROT_READ __/ \____ writable _____/
//
//	Slice, Uint32, Uint64            anywhere in [0, Size)
//	Writable, PutUint32, PutUint64   only outside guarded and frozen ranges
//	Bytes                            everything: for the tender, before the guest runs
//
// Two kinds of range refuse writes asked for by the guest. A guarded range is
// one the guest may not change through the tender (its page tables, its boot
// information) although the mapping stays writable, as the processor sets
// accessed and dirty bits in there. A frozen range is also read-only for this
// process, which makes a guest's store to its text a KVM_RUN failure; a store
// by the tender would be a SIGSEGV, hence the book-keeping.
//
// A Memory is not safe for concurrent changes of its ranges; they are set up
// before the guest runs. While the single vCPU of the guest is stopped at a
// hypercall, nobody else writes to the memory, so what was read once stays
// true until the guest is resumed.
//
// Only package hvt imports it.
package guestmem

import (
	"fmt"
	"os"
	"syscall"
)

// Memory is the physical memory of one guest. Make it with New.
type Memory struct {
	bytes    []byte
	readOnly spans
}

// New maps size bytes of zeroed memory. Nothing is reserved and no huge pages
// are used: a guest costs the pages that it touched, not what it was promised.
// Size must be a non-zero multiple of the page size.
func New(size uint64) (*Memory, error) {
	const maxInt = int(^uint(0) >> 1)
	page := uint64(os.Getpagesize())
	if size == 0 || size%page != 0 || size > uint64(maxInt) {
		return nil, fmt.Errorf("guest memory of %d bytes: not a positive multiple of %d", size, page)
	}
	flags := syscall.MAP_PRIVATE | syscall.MAP_ANONYMOUS | syscall.MAP_NORESERVE
	b, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, flags)
	if err != nil {
		return nil, fmt.Errorf("mapping %d bytes of guest memory: %w", size, err)
	}
	// EINVAL says that this kernel was built without huge pages: nothing to
	// turn off.
	if err := syscall.Madvise(b, syscall.MADV_NOHUGEPAGE); err != nil && err != syscall.EINVAL {
		_ = syscall.Munmap(b)
		return nil, fmt.Errorf("turning huge pages off for guest memory: %w", err)
	}
	return &Memory{bytes: b}, nil
}

// Close unmaps the memory. Every slice obtained from m, and a virtual machine
// that still uses it, must be gone by then. A second Close does nothing.
func (m *Memory) Close() error {
	b := m.bytes
	m.bytes, m.readOnly = nil, nil
	if b == nil {
		return nil
	}
	if err := syscall.Munmap(b); err != nil {
		return fmt.Errorf("unmapping guest memory: %w", err)
	}
	return nil
}

// Size returns the number of bytes of guest memory; its valid addresses are
// those below it.
func (m *Memory) Size() uint64 { return uint64(len(m.bytes)) }

// Bytes returns the whole memory, frozen ranges included: a store into one of
// those kills the process. It serves to build the guest's initial memory and
// to hand it to KVM, never to act on an address that the guest named.
func (m *Memory) Bytes() []byte { return m.bytes }

// Guard makes [start, end) unwritable for Writable, PutUint32 and PutUint64,
// and leaves the mapping as it is.
func (m *Memory) Guard(start, end uint64) error {
	if start > end || end > m.Size() {
		return fmt.Errorf("guarding [0x%x, 0x%x): %w", start, end, ErrOutside)
	}
	m.readOnly = m.readOnly.add(start, end)
	return nil
}

// Freeze guards [start, end) and makes it read-only for the whole process and,
// through KVM, for the guest. Both ends must be multiples of the page size.
func (m *Memory) Freeze(start, end uint64) error {
	if page := uint64(os.Getpagesize()); start%page != 0 || end%page != 0 {
		return fmt.Errorf("freezing [0x%x, 0x%x): not whole pages", start, end)
	}
	if err := m.Guard(start, end); err != nil {
		return err
	}
	if err := syscall.Mprotect(m.bytes[start:end], syscall.PROT_READ); err != nil {
		return fmt.Errorf("freezing [0x%x, 0x%x): %w", start, end, err)
	}
	return nil
}
