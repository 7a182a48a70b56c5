package hostnet

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
)

// Numbers of linux/if_link.h and linux/rtnetlink.h that package syscall lacks.
const (
	iflaAFSpec  = 26 // IFLA_AF_SPEC
	iflaExtMask = 29 // IFLA_EXT_MASK
	iflaCarrier = 33 // IFLA_CARRIER

	iflaInet6AddrGenMode = 8 // IFLA_INET6_ADDR_GEN_MODE
	addrGenModeNone      = 1 // IN6_ADDR_GEN_MODE_NONE

	extFilterSkipStats = 1 << 3 // RTEXT_FILTER_SKIP_STATS
)

// maxName is the longest interface name in bytes: IFNAMSIZ less the final zero.
const maxName = 15

// routeTimeout bounds the wait for the kernel, which answers as soon as nobody
// else is changing the network.
const routeTimeout = 30 * time.Second

// routeSocket is a netlink socket of the route family. Requests from several
// goroutines queue up on it, which costs nothing as they would do so in the
// kernel.
type routeSocket struct {
	sockets map[int]*nl.SocketHandle
}

func openRoute() (*routeSocket, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	timeout := nl.SocketTimeoutTv
	timeout.Sec, timeout.Usec = int64(routeTimeout/time.Second), 0
	err = errors.Join(s.SetSendTimeout(&timeout), s.SetReceiveTimeout(&timeout))
	if err != nil {
		s.Close()
		return nil, err
	}
	_ = s.SetExtAck(true) // sentences with the error numbers, from Linux 4.12 on
	return &routeSocket{map[int]*nl.SocketHandle{syscall.NETLINK_ROUTE: {Socket: s}}}, nil
}

func (s *routeSocket) close() {
	for _, handle := range s.sockets {
		handle.Close()
	}
}

func (s *routeSocket) request(command, flags int, data ...nl.NetlinkRequestData) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(command, flags)
	r.Sockets = s.sockets
	r.AddData(nl.NewIfInfomsg(syscall.AF_UNSPEC))
	for _, d := range data {
		r.AddData(d)
	}
	return r
}

// link looks up one interface; the error matches ENODEV if there is none.
func (s *routeSocket) link(name string) (link, error) {
	return s.getLink(s.request(syscall.RTM_GETLINK, 0,
		nl.NewRtAttr(syscall.IFLA_IFNAME, nl.ZeroTerminated(name)),
		nl.NewRtAttr(iflaExtMask, nl.Uint32Attr(extFilterSkipStats))))
}

// linkAt is link by the index.
func (s *routeSocket) linkAt(index int) (link, error) {
	r := nl.NewNetlinkRequest(syscall.RTM_GETLINK, 0)
	r.Sockets = s.sockets
	head := nl.NewIfInfomsg(syscall.AF_UNSPEC)
	head.Index = int32(index)
	r.AddData(head)
	r.AddData(nl.NewRtAttr(iflaExtMask, nl.Uint32Attr(extFilterSkipStats)))
	return s.getLink(r)
}

// getLink reads what answers r: an interface or an error. To ask for an
// acknowledgement as well would double what there is to receive.
func (s *routeSocket) getLink(r *nl.NetlinkRequest) (link, error) {
	messages, err := r.Execute(syscall.NETLINK_ROUTE, syscall.RTM_NEWLINK)
	if err != nil {
		return link{}, err
	}
	if len(messages) != 1 {
		return link{}, fmt.Errorf("the kernel sent %d answers", len(messages))
	}
	return parseLink(messages[0])
}

// filter selects interfaces; zero fields select all. Old kernels ignore it in
// part, so links looks again.
type filter struct {
	kind   string
	master int
}

// links lists interfaces in the order of their indexes. On a host where they
// come and go all the time some may be missing, which is better than no answer.
func (s *routeSocket) links(f filter) ([]link, error) {
	links, err := s.allLinks(f)
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		err = nil
	}
	return links, err
}

// allLinks is links, but with an error that matches netlink.ErrDumpInterrupted
// beside the answer if some may be missing.
func (s *routeSocket) allLinks(f filter) ([]link, error) {
	data := []nl.NetlinkRequestData{nl.NewRtAttr(iflaExtMask, nl.Uint32Attr(extFilterSkipStats))}
	if f.kind != "" {
		info := nl.NewRtAttr(syscall.IFLA_LINKINFO, nil)
		info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(f.kind))
		data = append(data, info)
	}
	if f.master != 0 {
		data = append(data, nl.NewRtAttr(syscall.IFLA_MASTER, nl.Uint32Attr(uint32(f.master))))
	}
	const attempts = 5
	var messages [][]byte
	var err error
	for range attempts {
		messages, err = s.request(syscall.RTM_GETLINK, syscall.NLM_F_DUMP, data...).Execute(syscall.NETLINK_ROUTE, syscall.RTM_NEWLINK)
		// Interfaces came or went meanwhile: some may be missing.
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	links := make([]link, 0, len(messages))
	for _, m := range messages {
		l, err := parseLink(m)
		if err != nil {
			return nil, err
		}
		if (f.kind == "" || l.kind == f.kind) && (f.master == 0 || l.master == f.master) {
			links = append(links, l)
		}
	}
	return links, err
}

// change is what one RTM_SETLINK sets; zero fields are left alone.
type change struct {
	address []byte
	mtu     int
	master  int // index
	up      bool

	// noAddresses keeps IPv6 from making a link-local address. It needs a
	// message of its own, as the kernel does this after setting up.
	noAddresses bool
}

// change changes the interface of that name.
func (s *routeSocket) change(name string, c change) error {
	return s.setLink(0, c, nl.NewRtAttr(syscall.IFLA_IFNAME, nl.ZeroTerminated(name)))
}

// changeAt changes the interface with that index.
func (s *routeSocket) changeAt(index int, c change) error { return s.setLink(index, c) }

func (s *routeSocket) setLink(index int, c change, more ...nl.NetlinkRequestData) error {
	r := nl.NewNetlinkRequest(syscall.RTM_SETLINK, syscall.NLM_F_ACK)
	r.Sockets = s.sockets
	head := nl.NewIfInfomsg(syscall.AF_UNSPEC)
	head.Index = int32(index)
	if c.up {
		head.Flags, head.Change = syscall.IFF_UP, syscall.IFF_UP
	}
	r.AddData(head)
	for _, d := range more {
		r.AddData(d)
	}
	if c.address != nil {
		r.AddData(nl.NewRtAttr(syscall.IFLA_ADDRESS, c.address))
	}
	if c.mtu != 0 {
		r.AddData(nl.NewRtAttr(syscall.IFLA_MTU, nl.Uint32Attr(uint32(c.mtu))))
	}
	if c.master != 0 {
		r.AddData(nl.NewRtAttr(syscall.IFLA_MASTER, nl.Uint32Attr(uint32(c.master))))
	}
	if c.noAddresses {
		families := nl.NewRtAttr(iflaAFSpec, nil)
		families.AddRtAttr(syscall.AF_INET6, nil).AddRtAttr(iflaInet6AddrGenMode, nl.Uint8Attr(addrGenModeNone))
		r.AddData(families)
	}
	_, err := r.Execute(syscall.NETLINK_ROUTE, 0)
	return err
}
