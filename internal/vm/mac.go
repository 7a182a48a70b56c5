package vm

import (
	"crypto/md5" // a fixed part of Albatross's naming, not a protection
	"encoding/hex"
	"fmt"
	"strings"
)

// MAC is an Ethernet address.
type MAC [6]byte

// robotron is the vendor part of the addresses that Albatross derives: that of
// VEB Kombinat Robotron, which no longer makes network cards.
var robotron = [3]byte{0x00, 0x80, 0x41}

// MAC returns the address that Albatross 2.7 gives the network interface of n
// that the unikernel itself calls device, where none was asked for.
func (n Name) MAC(device string) MAC { return derive(device + n.Wire()) }

// LegacyMAC returns the address that Albatross 1.2 gave that interface.
func (n Name) LegacyMAC(device string) MAC {
	dotted := strings.ReplaceAll(strings.TrimPrefix(n.Wire(), ":"), ":", ".")
	return derive(device + "." + dotted)
}

func derive(text string) MAC {
	sum := md5.Sum([]byte(text))
	return MAC{robotron[0], robotron[1], robotron[2], sum[0], sum[1], sum[2]}
}

// String returns the six bytes in hex, separated by colons.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// IsZero reports whether all bytes are zero, which stands for "none given".
func (m MAC) IsZero() bool { return m == MAC{} }

// isGroup reports whether m addresses many interfaces, so that none can have it.
func (m MAC) isGroup() bool { return m[0]&1 != 0 }

// MarshalText returns the form of String.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the form of String.
func (m *MAC) UnmarshalText(text []byte) error {
	parsed, err := ParseMAC(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}

// ParseMAC reads six bytes in hex, separated by colons or hyphens. It refuses
// a group address, which no interface can have.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	parts := strings.Split(strings.ReplaceAll(s, "-", ":"), ":")
	if len(parts) != len(m) {
		return MAC{}, fmt.Errorf("MAC address %q is not six bytes in hex separated by colons", shorten(s))
	}
	for i, part := range parts {
		if len(part) != 2 {
			return MAC{}, fmt.Errorf("MAC address %q: byte %d is not two hex digits", shorten(s), i+1)
		}
		if _, err := hex.Decode(m[i:i+1], []byte(part)); err != nil {
			return MAC{}, fmt.Errorf("MAC address %q: byte %d is not two hex digits", shorten(s), i+1)
		}
	}
	if m.isGroup() {
		return MAC{}, fmt.Errorf("MAC address %q is a group address: the first byte must be even", s)
	}
	return m, nil
}
