package hostnet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
)

// Kinds of interfaces (IFLA_INFO_KIND); the kernel calls a tap a tun.
const (
	kindBridge = "bridge"
	kindTun    = "tun"
)

// link is what this package needs of an RTM_NEWLINK message.
type link struct {
	name    string
	index   int
	mtu     int
	master  int    // index of the bridge it is on, or 0
	kind    string // "" for hardware
	carrier bool   // for a tap: a process is attached
	up      bool   // IFF_UP: set up by the administrator
	address string // the bytes of its MAC address

	tap        bool // of kind "tun", and not a tun in the narrow sense
	persistent bool // tap or tun only
}

// parseLink reads the payload of an RTM_NEWLINK message.
func parseLink(message []byte) (link, error) {
	if len(message) < syscall.SizeofIfInfomsg {
		return link{}, fmt.Errorf("interface message of %d bytes is too short", len(message))
	}
	head := nl.DeserializeIfInfomsg(message)
	l := link{index: int(head.Index), up: head.Flags&syscall.IFF_UP != 0}
	err := eachAttr(message[syscall.SizeofIfInfomsg:], func(kind uint16, value []byte) error {
		switch kind {
		case syscall.IFLA_IFNAME:
			l.name = attrString(value)
		case syscall.IFLA_ADDRESS:
			l.address = string(value)
		case syscall.IFLA_MTU:
			l.mtu = int(attrUint32(value))
		case syscall.IFLA_MASTER:
			l.master = int(attrUint32(value))
		case iflaCarrier:
			l.carrier = attrBool(value)
		case syscall.IFLA_LINKINFO:
			return l.parseInfo(value)
		}
		return nil
	})
	return l, err
}

// parseInfo reads IFLA_LINKINFO. The kind comes before its data.
func (l *link) parseInfo(info []byte) error {
	return eachAttr(info, func(kind uint16, value []byte) error {
		switch {
		case kind == nl.IFLA_INFO_KIND:
			l.kind = attrString(value)
		case kind == nl.IFLA_INFO_DATA && l.kind == kindTun:
			return eachAttr(value, func(kind uint16, value []byte) error {
				switch kind {
				case nl.IFLA_TUN_TYPE:
					l.tap = len(value) == 1 && value[0] == syscall.IFF_TAP
				case nl.IFLA_TUN_PERSIST:
					l.persistent = attrBool(value)
				}
				return nil
			})
		}
		return nil
	})
}

// attrTypeMask takes NLA_F_NESTED and NLA_F_NET_BYTEORDER off a type.
const attrTypeMask = 1<<14 - 1

// eachAttr calls f for every attribute in b: u16 length including these 4 bytes,
// u16 type, value, padding to a multiple of 4.
func eachAttr(b []byte, f func(kind uint16, value []byte) error) error {
	for len(b) >= syscall.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < syscall.SizeofRtAttr || length > len(b) {
			return fmt.Errorf("attribute of %d bytes in %d", length, len(b))
		}
		if err := f(binary.NativeEndian.Uint16(b[2:])&attrTypeMask, b[syscall.SizeofRtAttr:length]); err != nil {
			return err
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return nil
}

func attrUint32(value []byte) uint32 {
	if len(value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// attrString cuts value at its zero byte, if it has one.
func attrString(value []byte) string {
	text, _, _ := bytes.Cut(value, []byte{0})
	return string(text)
}

func attrBool(value []byte) bool { return len(value) > 0 && value[0] != 0 }
