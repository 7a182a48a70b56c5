package sample

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"syscall"

	"albatross/internal/vm"
)

// From Linux' include/uapi/linux/if_link.h; the standard library has neither.
const (
	iflaStats64 = 23 // struct rtnl_link_stats64
	statsFields = 10 // of u64, as many as we read; newer kernels have more behind
)

// Links returns what the host counts at each of its interfaces, by the name that
// it has there, which is also Interface.Name: of those in the network namespace
// of the calling thread. Lengths of queues and speed are not told for taps.
func Links() (map[string]vm.Interface, error) {
	dump, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	links, err := parseLinks(dump)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	return links, nil
}

// parseLinks reads the messages that answer RTM_GETLINK.
func parseLinks(dump []byte) (map[string]vm.Interface, error) {
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, err
	}
	links := map[string]vm.Interface{}
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != syscall.RTM_NEWLINK {
			continue
		}
		if len(m.Data) < syscall.SizeofIfInfomsg {
			return nil, fmt.Errorf("a message of %d bytes is too short", len(m.Data))
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return nil, err
		}
		l := parseLink(attrs)
		// struct ifinfomsg: u8 family, padding, u16 type, s32 index, u32 flags
		l.Flags = saturate(binary.NativeEndian.Uint32(m.Data[8:]))
		links[l.Name] = l
	}
	return links, nil
}

func parseLink(attrs []syscall.NetlinkRouteAttr) (l vm.Interface) {
	for _, a := range attrs {
		switch a.Attr.Type {
		case syscall.IFLA_IFNAME:
			name, _, _ := bytes.Cut(a.Value, []byte{0})
			l.Name = string(name)
		case syscall.IFLA_MTU:
			if len(a.Value) >= 4 {
				l.MTU = saturate(binary.NativeEndian.Uint32(a.Value))
			}
		case iflaStats64:
			if len(a.Value) >= statsFields*8 {
				count(&l, a.Value)
			}
		}
	}
	return l
}

// count reads the beginning of struct rtnl_link_stats64.
func count(l *vm.Interface, stats []byte) {
	for i, field := range [statsFields]*int64{
		&l.InPackets, &l.OutPackets, &l.InBytes, &l.OutBytes, &l.InErrors, &l.OutErrors,
		&l.InDropped, &l.OutDropped, &l.InMulticast, &l.Collisions,
	} {
		*field = int64(min(binary.NativeEndian.Uint64(stats[8*i:]), math.MaxInt64))
	}
}

func saturate(n uint32) int32 { return int32(min(n, math.MaxInt32)) }
