package image

import (
	"encoding/binary"
	"fmt"
)

// Attachment is what a tender puts behind a device of the manifest. Capacity
// and SectorSize are for block devices, MAC and MTU for network devices; the
// fields of the other kind are ignored.
type Attachment struct {
	Handle     int     // index in Manifest.Devices, ≥ 1
	FD         int32   // descriptor in the process that runs the guest, ≥ 0
	Capacity   uint64  // bytes, a non-zero multiple of SectorSize
	SectorSize uint16  // bytes, a power of two
	MAC        [6]byte // of the guest's side
	MTU        uint16  // bytes, not 0
}

// check reports what is wrong with a as the attachment of d.
func (a Attachment) check(d Device) error {
	if a.FD < 0 {
		return fmt.Errorf("descriptor %d is negative", a.FD)
	}
	if d.Kind == KindNet {
		if a.MTU == 0 {
			return fmt.Errorf("the MTU is 0")
		}
		return nil
	}
	if a.SectorSize == 0 || a.SectorSize&(a.SectorSize-1) != 0 {
		return fmt.Errorf("the sector size %d is not a power of two", a.SectorSize)
	}
	if a.Capacity == 0 || a.Capacity%uint64(a.SectorSize) != 0 {
		return fmt.Errorf("the capacity of %d bytes is not a non-zero multiple of the sector size %d", a.Capacity, a.SectorSize)
	}
	return nil
}

// Encode returns the manifest as the guest finds it in its memory: a struct mft
// of Solo5's mft_abi.h, 8-byte aligned by whoever places it, in which every
// device is attached. It is built from m and at alone, so no byte of the image
// but the names survives. It is an error if a device has no attachment, or two,
// or one that is out of range. at may be in any order.
func (m Manifest) Encode(at []Attachment) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	b := make([]byte, mftHeaderSize+len(m.Devices)*mftEntrySize)
	binary.LittleEndian.PutUint32(b[0:], mftVersion)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(m.Devices)))
	for i, d := range m.Devices {
		e := m.entry(b, i)
		copy(e[:mftNameSize], d.Name)
		binary.LittleEndian.PutUint32(e[mftOffType:], uint32(d.Kind))
	}
	for _, a := range at {
		if err := m.attach(b, a); err != nil {
			return nil, fmt.Errorf("encode manifest: %w", err)
		}
	}
	for i, d := range m.Devices {
		if i > 0 && m.entry(b, i)[mftOffAttached] == 0 {
			return nil, fmt.Errorf("encode manifest: %s device %s is not attached", d.Kind, d.Name)
		}
	}
	return b, nil
}

// attach fills a into its entry of the encoded manifest b.
func (m Manifest) attach(b []byte, a Attachment) error {
	if a.Handle < 1 || a.Handle >= len(m.Devices) {
		return fmt.Errorf("handle %d is no device of the image", a.Handle)
	}
	d, e := m.Devices[a.Handle], m.entry(b, a.Handle)
	if e[mftOffAttached] != 0 {
		return fmt.Errorf("%s device %s is attached twice", d.Kind, d.Name)
	}
	if err := a.check(d); err != nil {
		return fmt.Errorf("attach %s device %s: %w", d.Kind, d.Name, err)
	}
	if d.Kind == KindNet {
		copy(e[mftOffMAC:], a.MAC[:])
		binary.LittleEndian.PutUint16(e[mftOffMTU:], a.MTU)
	} else {
		binary.LittleEndian.PutUint64(e[mftOffCapacity:], a.Capacity)
		binary.LittleEndian.PutUint16(e[mftOffSectorSize:], a.SectorSize)
	}
	binary.LittleEndian.PutUint32(e[mftOffFD:], uint32(a.FD))
	e[mftOffAttached] = 1
	return nil
}

// entry returns the bytes of entry i of the encoded manifest b.
func (Manifest) entry(b []byte, i int) []byte {
	off := mftHeaderSize + i*mftEntrySize
	return b[off : off+mftEntrySize : off+mftEntrySize]
}
