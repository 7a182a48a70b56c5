package guestmem

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What can be wrong with an address that a guest handed over; errors.Is finds
// them in the AccessError that the accessors return.
var (
	// ErrOutside means that the range does not lie inside the guest's memory.
	ErrOutside = errors.New("outside of guest memory")
	// ErrReadOnly means that the tender was asked to write where the guest
	// itself may not.
	ErrReadOnly = errors.New("read-only for the guest")
)

// AccessError is an access that was refused.
type AccessError struct {
	Addr uint64 // guest address
	Len  uint64 // bytes
	Err  error  // ErrOutside or ErrReadOnly
}

// Error says where and why, in the form "guest access at 0x5000, 8 bytes: …".
func (e *AccessError) Error() string {
	return fmt.Sprintf("guest access at 0x%x, %d bytes: %v", e.Addr, e.Len, e.Err)
}

// Unwrap returns ErrOutside or ErrReadOnly.
func (e *AccessError) Unwrap() error { return e.Err }

// Slice returns the n bytes at guest address addr, to be read. It aliases
// guest memory: it changes with it and must not be kept while the guest runs.
// An empty range is valid at every address up to and including Size.
func (m *Memory) Slice(addr, n uint64) ([]byte, error) {
	size := m.Size()
	// The subtraction cannot wrap, as the sum addr+n could.
	if addr > size || n > size-addr {
		return nil, &AccessError{Addr: addr, Len: n, Err: ErrOutside}
	}
	return m.bytes[addr : addr+n : addr+n], nil
}

// Writable is Slice for bytes that are going to be written: it also refuses a
// range that touches a guarded or frozen one.
func (m *Memory) Writable(addr, n uint64) ([]byte, error) {
	b, err := m.Slice(addr, n)
	if err != nil {
		return nil, err
	}
	if m.readOnly.overlap(addr, addr+n) {
		return nil, &AccessError{Addr: addr, Len: n, Err: ErrReadOnly}
	}
	return b, nil
}

// Uint64 loads the little-endian number at guest address addr, which need not
// be aligned.
func (m *Memory) Uint64(addr uint64) (uint64, error) {
	b, err := m.Slice(addr, 8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// Uint32 loads the little-endian number at guest address addr.
func (m *Memory) Uint32(addr uint64) (uint32, error) {
	b, err := m.Slice(addr, 4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// PutUint64 stores v at guest address addr, little-endian.
func (m *Memory) PutUint64(addr, v uint64) error {
	b, err := m.Writable(addr, 8)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(b, v)
	return nil
}

// PutUint32 stores v at guest address addr, little-endian.
func (m *Memory) PutUint32(addr uint64, v uint32) error {
	b, err := m.Writable(addr, 4)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b, v)
	return nil
}
