package image

import (
	"encoding/binary"
	"fmt"
)

// Kind is the kind of a device. The numbers are those of enum mft_type in
// Solo5's mft_abi.h.
type Kind uint32

// Kinds of manifest entries.
const (
	KindBlock    Kind = 1
	KindNet      Kind = 2
	KindReserved Kind = 1 << 30 // the first entry of every manifest
)

// String returns the word that the command line has for the kind.
func (k Kind) String() string {
	switch k {
	case KindBlock:
		return "block"
	case KindNet:
		return "net"
	case KindReserved:
		return "reserved"
	default:
		return fmt.Sprintf("kind %d", uint32(k))
	}
}

// Limits of a manifest.
const (
	// MaxEntries is the largest number of manifest entries, the reserved one
	// included: a set of handles is a uint64 in Solo5.
	MaxEntries = 64
	// MaxNameLen is the largest length of a device name in bytes.
	MaxNameLen = 67
)

// Device is an entry of the manifest. Its handle, by which the guest names it
// in hypercalls, is its index in Manifest.Devices.
type Device struct {
	Name string // [A-Za-z0-9]{1,67}; empty for the reserved entry
	Kind Kind
}

// Manifest lists the devices that an image needs. Index 0 is the reserved entry
// and no device.
type Manifest struct {
	Devices []Device
}

// The layout of struct mft in Solo5's mft_abi.h on amd64:
//
//	0  u32 version      8  entry 0    112  entry 1   …
//	4  u32 entries
//
// and of struct mft_entry:
//
//	 0  char name[68], NUL terminated
//	68  u32  type
//	72  u64  block capacity   or   u8[6] MAC address
//	78                             u16   MTU
//	80  u16  block size
//	88  i32  file descriptor on the host
//	96  u8   attached
const (
	mftVersion    = 1
	mftHeaderSize = 8
	mftEntrySize  = 104

	mftNameSize      = MaxNameLen + 1
	mftOffType       = 68
	mftOffCapacity   = 72
	mftOffMAC        = 72
	mftOffMTU        = 78
	mftOffSectorSize = 80
	mftOffFD         = 88
	mftOffAttached   = 96
)

// parseManifest reads a struct mft as it stands in the note of an image. The
// length of b must be exactly that of the entries.
func parseManifest(b []byte) (Manifest, error) {
	if len(b) < mftHeaderSize {
		return Manifest{}, refuse("the manifest has %d bytes, but its header alone has %d", len(b), mftHeaderSize)
	}
	version := binary.LittleEndian.Uint32(b[0:])
	if version != mftVersion {
		return Manifest{}, refuse("the manifest has the unsupported version %d, want %d", version, mftVersion)
	}
	entries := binary.LittleEndian.Uint32(b[4:])
	if entries < 1 || entries > MaxEntries {
		return Manifest{}, refuse("the manifest announces %d entries, want 1 to %d", entries, MaxEntries)
	}
	if want := mftHeaderSize + int(entries)*mftEntrySize; len(b) != want {
		return Manifest{}, refuse("the manifest has %d bytes, but its %d entries make %d", len(b), entries, want)
	}
	m := Manifest{Devices: make([]Device, entries)}
	for i := range m.Devices {
		var err error
		off := mftHeaderSize + i*mftEntrySize
		if m.Devices[i], err = parseEntry(i, b[off:off+mftEntrySize]); err != nil {
			return Manifest{}, err
		}
	}
	if err := m.check(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// parseEntry reads entry i. Bytes 72 to 95, which the tender fills in, are
// ignored whatever they hold: nothing of them gets into the Device.
func parseEntry(i int, b []byte) (Device, error) {
	if b[mftNameSize-1] != 0 {
		return Device{}, refuse("the name in manifest entry %d is not terminated", i)
	}
	if b[mftOffAttached] != 0 {
		return Device{}, refuse("manifest entry %d claims to be attached already", i)
	}
	n := 0
	for b[n] != 0 {
		n++
	}
	return Device{
		Name: string(b[:n]),
		Kind: Kind(binary.LittleEndian.Uint32(b[mftOffType:])),
	}, nil
}

// check reports the first violation of what the package comment promises of a
// manifest.
func (m Manifest) check() error {
	if len(m.Devices) < 1 || len(m.Devices) > MaxEntries {
		return refuse("the manifest has %d entries, want 1 to %d", len(m.Devices), MaxEntries)
	}
	if first := m.Devices[0]; first.Kind != KindReserved {
		return refuse("manifest entry 0 has type %d, want the reserved type %d", uint32(first.Kind), uint32(KindReserved))
	} else if first.Name != "" {
		return refuse("manifest entry 0 is reserved, but has the name %q", first.Name)
	}
	seen := make(map[Device]int, len(m.Devices))
	for i, d := range m.Devices[1:] {
		i++
		if d.Kind != KindNet && d.Kind != KindBlock {
			return refuse("manifest entry %d has the unknown type %d", i, uint32(d.Kind))
		}
		if !validName(d.Name) {
			return refuse("manifest entry %d has the name %q, want 1 to %d letters and digits", i, d.Name, MaxNameLen)
		}
		if first, dup := seen[d]; dup {
			return refuse("manifest entries %d and %d are both the %s device %s", first, i, d.Kind, d.Name)
		}
		seen[d] = i
	}
	return nil
}

// validName tells whether s is a device name as Solo5's elftool lets one into a
// manifest and as the command line can express it.
func validName(s string) bool {
	if len(s) < 1 || len(s) > MaxNameLen {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
