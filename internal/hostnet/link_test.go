package hostnet

import (
	"syscall"
	"testing"

	"github.com/vishvananda/netlink/nl"
)

// message builds the payload of an RTM_NEWLINK message.
func message(index int32, attrs ...*nl.RtAttr) []byte {
	head := nl.NewIfInfomsg(syscall.AF_UNSPEC)
	head.Index = index
	m := head.Serialize()
	for _, a := range attrs {
		m = append(m, a.Serialize()...)
	}
	return m
}

func tunMessage() []byte {
	info := nl.NewRtAttr(syscall.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.ZeroTerminated("tun"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_TUN_TYPE, nl.Uint8Attr(syscall.IFF_TAP))
	data.AddRtAttr(nl.IFLA_TUN_PERSIST, nl.Uint8Attr(1))
	return message(7,
		nl.NewRtAttr(syscall.IFLA_IFNAME, nl.ZeroTerminated("vmmtap3")),
		nl.NewRtAttr(syscall.IFLA_MTU, nl.Uint32Attr(9000)),
		nl.NewRtAttr(syscall.IFLA_MASTER, nl.Uint32Attr(5)),
		nl.NewRtAttr(syscall.IFLA_ADDRESS, TapMAC[:]),
		nl.NewRtAttr(iflaCarrier, nl.Uint8Attr(1)),
		info)
}

func TestParseLink(t *testing.T) {
	want := link{
		name: "vmmtap3", index: 7, mtu: 9000, master: 5, address: string(TapMAC[:]),
		kind: "tun", carrier: true, tap: true, persistent: true,
	}
	if got, err := parseLink(tunMessage()); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	whole := tunMessage()
	for n := range syscall.SizeofIfInfomsg {
		if got, err := parseLink(whole[:n]); err == nil {
			t.Errorf("first %d bytes give %+v", n, got)
		}
	}
	for _, bad := range []string{"\x03\x00\x00\x00", "\x05\x00\x00\x00", "\xff\xff\x03\x00"} {
		if got, err := parseLink(append(message(1), bad...)); err == nil {
			t.Errorf("attribute %q gives %+v", bad, got)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add(tunMessage())
	f.Add(message(1))
	f.Add(append(message(1), 5, 0, 3, 0, 'x')) // padding is missing
	f.Add(append(message(1), 4, 0, byte(syscall.IFLA_MTU), 0))
	f.Fuzz(func(t *testing.T, m []byte) {
		l, err := parseLink(m)
		if err == nil && len(l.name) > len(m) {
			t.Errorf("name %q out of %d bytes", l.name, len(m))
		}
	})
}

func TestIsTapName(t *testing.T) {
	for name, want := range map[string]bool{
		"vmmtap0": true, "vmmtap9": true, "vmmtap10": true, "vmmtap1023": true,
		"": false, "vmmtap": false, "vmmtap00": false, "vmmtap01": false, "vmmtap+1": false, "vmmtap-1": false,
		"vmmtap1x": false, "xvmmtap1": false, "vmmtap 1": false, "vmmtap99999999999": false,
	} {
		if got := isTapName(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
