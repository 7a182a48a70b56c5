package sample

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"albatross/internal/vm"
)

// From Linux' include/uapi/linux/if_link.h and rtnetlink.h; the standard library
// has none of them.
const (
	rtmNewStats     = 92
	rtmGetStats     = 94 // Linux 4.7
	iflaStatsLink64 = 1  // struct rtnl_link_stats64, also the number of its bit in the filter, from 1
	iflaStats64     = 23 // the same in RTM_NEWLINK
	statsFields     = 10 // of u64, as many as we read; newer kernels have more behind

	// struct if_stats_msg: u8 family, 3 bytes of padding, u32 index, u32 filter
	statsMessage = 12
)

const (
	lookAgain    = 10 * time.Second // after which names, flags and MTU are looked at again
	netlinkTime  = 5 * time.Second  // for an answer of the kernel
	netlinkPiece = 64 << 10         // bytes that it answers in one piece, at most
)

// Network are the interfaces of the network namespace that the thread was in
// which called OpenNetwork. It belongs to one goroutine at a time and must be
// closed. Lengths of queues and speed are not told for taps.
type Network struct {
	fd       int
	sequence uint32
	buffer   []byte

	looked  time.Time // when names were
	round   uint64    // counts calls of Refresh
	byName  map[string]int32
	byIndex map[int32]*link
}

type link struct {
	vm.Interface        // by the host's name
	round        uint64 // when its counters were last seen
}

// OpenNetwork opens a connection to the kernel.
func OpenNetwork() (*Network, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	n := &Network{fd: fd, buffer: make([]byte, netlinkPiece), byName: map[string]int32{}, byIndex: map[int32]*link{}}
	patience := syscall.NsecToTimeval(int64(netlinkTime))
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience); err != nil {
		return nil, errors.Join(fmt.Errorf("open rtnetlink: %w", err), n.Close())
	}
	return n, nil
}

// Close closes the connection.
func (n *Network) Close() error {
	if n == nil {
		return nil
	}
	return syscall.Close(n.fd)
}

// Refresh reads the counters of all interfaces, with one request. Only if one is
// new, or if it was long ago, all else that is told of them is read too.
func (n *Network) Refresh(now time.Time) error {
	n.round++
	unknown, err := n.count()
	if err == nil && (unknown || now.Sub(n.looked) >= lookAgain || now.Before(n.looked)) {
		n.looked = now
		if err = n.look(); err == nil && unknown {
			_, err = n.count() // what was not known before
		}
	}
	if err != nil {
		return fmt.Errorf("look at network interfaces: %w", err)
	}
	return nil
}

// Interface returns what the host counts at the interface that it calls name, as
// of the last Refresh.
func (n *Network) Interface(name string) (vm.Interface, bool) {
	l := n.byIndex[n.byName[name]]
	if l == nil || l.Name != name || l.round != n.round {
		return vm.Interface{}, false
	}
	return l.Interface, true
}

// count reads all counters. unknown is true if there is an interface whose name
// is not known.
func (n *Network) count() (unknown bool, err error) {
	var request [statsMessage]byte
	binary.NativeEndian.PutUint32(request[8:], 1<<(iflaStatsLink64-1))
	err = n.dump(rtmGetStats, request[:], func(kind uint16, body []byte) error {
		if kind != rtmNewStats {
			return nil
		}
		if len(body) < statsMessage {
			return fmt.Errorf("a message of %d bytes is too short", len(body))
		}
		l := n.byIndex[int32(binary.NativeEndian.Uint32(body[4:]))]
		if l == nil {
			unknown = true
			return nil
		}
		return attributes(body[statsMessage:], func(kind uint16, value []byte) {
			if kind == iflaStatsLink64 && len(value) >= statsFields*8 {
				l.count(value)
				l.round = n.round
			}
		})
	})
	return unknown, err
}

// look reads names, flags and MTUs. What is not there any more is forgotten.
func (n *Network) look() error {
	byName, byIndex := make(map[string]int32, len(n.byName)), make(map[int32]*link, len(n.byIndex))
	request := [syscall.SizeofIfInfomsg]byte{syscall.AF_UNSPEC}
	err := n.dump(syscall.RTM_GETLINK, request[:], func(kind uint16, body []byte) error {
		if kind != syscall.RTM_NEWLINK {
			return nil
		}
		index, l, err := parseLink(body)
		if err != nil {
			return err
		}
		if old := n.byIndex[index]; old != nil { // its counters are newer, or as old
			name, flags, mtu := l.Name, l.Flags, l.MTU
			l = old
			l.Name, l.Flags, l.MTU = name, flags, mtu
		}
		byName[l.Name], byIndex[index] = index, l
		return nil
	})
	if err == nil {
		n.byName, n.byIndex = byName, byIndex
	}
	return err
}

// parseLink reads a message that answers RTM_GETLINK.
func parseLink(body []byte) (index int32, l *link, err error) {
	if len(body) < syscall.SizeofIfInfomsg {
		return 0, nil, fmt.Errorf("a message of %d bytes is too short", len(body))
	}
	l = new(link)
	// struct ifinfomsg: u8 family, padding, u16 type, s32 index, u32 flags
	index = int32(binary.NativeEndian.Uint32(body[4:]))
	l.Flags = saturate(binary.NativeEndian.Uint32(body[8:]))
	err = attributes(body[syscall.SizeofIfInfomsg:], func(kind uint16, value []byte) {
		switch kind {
		case syscall.IFLA_IFNAME:
			name, _, _ := bytes.Cut(value, []byte{0})
			l.Name = string(name)
		case syscall.IFLA_MTU:
			if len(value) >= 4 {
				l.MTU = saturate(binary.NativeEndian.Uint32(value))
			}
		case iflaStats64:
			if len(value) >= statsFields*8 {
				l.count(value)
			}
		}
	})
	return index, l, err
}

// count reads the beginning of struct rtnl_link_stats64.
func (l *link) count(stats []byte) {
	for i, field := range [statsFields]*int64{
		&l.InPackets, &l.OutPackets, &l.InBytes, &l.OutBytes, &l.InErrors, &l.OutErrors,
		&l.InDropped, &l.OutDropped, &l.InMulticast, &l.Collisions,
	} {
		*field = int64(min(binary.NativeEndian.Uint64(stats[8*i:]), math.MaxInt64))
	}
}

func saturate(n uint32) int32 { return int32(min(n, math.MaxInt32)) }

// dump sends a request for all there is, and calls each for every message that
// answers it.
func (n *Network) dump(kind uint16, body []byte, each func(kind uint16, body []byte) error) error {
	n.sequence++
	request := make([]byte, syscall.NLMSG_HDRLEN, syscall.NLMSG_HDRLEN+syscall.SizeofIfInfomsg)
	request = append(request, body...)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], kind)
	binary.NativeEndian.PutUint16(request[6:], syscall.NLM_F_DUMP|syscall.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(request[8:], n.sequence)
	if err := syscall.Sendto(n.fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	for {
		got, err := n.receive()
		if err != nil {
			return err
		}
		done, err := messages(n.buffer[:got], n.sequence, each)
		if done || err != nil {
			return err
		}
	}
}

func (n *Network) receive() (int, error) {
	for {
		got, err := syscall.Read(n.fd, n.buffer) // only the kernel sends to a socket that has no address
		if err != syscall.EINTR {
			return got, err
		}
	}
}

// messages reads what the kernel sent in one piece. done is true if it was the
// last one that answers the request of this sequence.
func messages(b []byte, sequence uint32, each func(kind uint16, body []byte) error) (done bool, err error) {
	for len(b) >= syscall.NLMSG_HDRLEN {
		size := int64(binary.NativeEndian.Uint32(b))
		if size < syscall.NLMSG_HDRLEN || size > int64(len(b)) {
			return true, fmt.Errorf("a message of %d bytes in %d", size, len(b))
		}
		body := b[syscall.NLMSG_HDRLEN:size]
		kind := binary.NativeEndian.Uint16(b[4:])
		switch {
		case binary.NativeEndian.Uint32(b[8:]) != sequence: // of a dump that was given up
		case kind == syscall.NLMSG_DONE:
			return true, nil
		case kind == syscall.NLMSG_ERROR && len(body) >= 4:
			return true, syscall.Errno(-int32(binary.NativeEndian.Uint32(body)))
		default:
			if err := each(kind, body); err != nil {
				return true, err
			}
		}
		b = b[min(int64(len(b)), (size+syscall.NLMSG_ALIGNTO-1)&^(syscall.NLMSG_ALIGNTO-1)):]
	}
	return false, nil
}

// attributes calls each for every attribute (struct rtattr: u16 size, u16 kind).
func attributes(b []byte, each func(kind uint16, value []byte)) error {
	const header, align = 4, 4
	for len(b) >= header {
		size := int(binary.NativeEndian.Uint16(b))
		if size < header || size > len(b) {
			return fmt.Errorf("an attribute of %d bytes in %d", size, len(b))
		}
		each(binary.NativeEndian.Uint16(b[2:]), b[header:size])
		b = b[min(len(b), (size+align-1)&^(align-1)):]
	}
	return nil
}
