package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/internal/tap"
	"albatross/internal/testutil"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// All tests run in a network namespace of their own, one after the other; each
// removes what it makes.
func TestMain(m *testing.M) { os.Exit(testutil.MainInNetns(m)) }

// open opens the network and checks at the end that no tap is left.
func open(t testing.TB) *Net {
	t.Helper()
	testutil.RequireTap(t)
	testutil.NoLeakedFDs(t, os.Getpid())
	n, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		links, err := n.route.links(filter{kind: kindTun})
		if err != nil || len(links) > 0 {
			t.Errorf("taps are left: %+v (%v)", links, err)
		}
		n.Close()
	})
	return n
}

func create(t testing.TB, n *Net, bridge string) *Tap {
	t.Helper()
	dev, err := n.CreateTap(bridge)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

// attrs is what an independent reader of netlink says about an interface.
func attrs(t testing.TB, name string) *netlink.LinkAttrs {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return l.Attrs()
}

func setMTU(t testing.TB, name string, mtu int) {
	t.Helper()
	if err := netlink.LinkSetMTU(&netlink.Dummy{LinkAttrs: *attrs(t, name)}, mtu); err != nil {
		t.Fatal(err)
	}
}

func TestBridges(t *testing.T) {
	n := open(t)
	if got, err := n.Bridges(); len(got) != 0 || err != nil {
		t.Errorf("bridges of a host without: %+v, %v", got, err)
	}
	testutil.AddBridge(t, "service", "")
	testutil.AddBridge(t, "backend", "")
	setMTU(t, "backend", 9000)
	dev := create(t, n, "backend")
	want := []Bridge{
		{Name: "backend", Index: attrs(t, "backend").Index, MTU: 9000, Up: true},
		{Name: "service", Index: attrs(t, "service").Index, MTU: 1500, Up: true},
	}
	got, err := n.Bridges()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bridges (-want +got):\n%s", diff)
	}
	for i, b := range want {
		if got, err := n.Bridge(b.Name); got != b || err != nil {
			t.Errorf("bridge %s: %+v, %v", b.Name, got, err)
		}
		if ports, err := n.Ports(b); ports != 1-i || err != nil {
			t.Errorf("bridge %s has %d ports (%v)", b.Name, ports, err)
		}
	}
	dev.Close()
	if ports, err := n.Ports(want[0]); ports != 0 || err != nil {
		t.Errorf("bridge backend has %d ports (%v) after its last was closed", ports, err)
	}
}

func TestBridgeErrors(t *testing.T) {
	n := open(t)
	_, err := n.Bridge("service")
	if !errors.Is(err, ErrNoBridge) || !strings.Contains(err.Error(), "ip link add service type bridge") {
		t.Errorf("host without bridges: %v", err)
	}
	testutil.AddBridge(t, "service", "")
	testutil.AddBridge(t, "backend", "")
	if err := netlink.LinkAddAltName(&netlink.Dummy{LinkAttrs: *attrs(t, "service")}, "other"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"none":                   ErrNoBridge,
		"":                       ErrNoBridge,
		"lo":                     ErrNotBridge,
		"other":                  ErrNoBridge, // is one, but under another name
		"service\x00":            ErrNoBridge,
		"service\x00x":           ErrNoBridge,
		"service ":               ErrNoBridge,
		"Service":                ErrNoBridge,
		"%d":                     ErrNoBridge,
		"a-name-much-too-long0":  ErrNoBridge,
		strings.Repeat("x", 1e5): ErrNoBridge,
	} {
		_, bridgeErr := n.Bridge(name)
		dev, tapErr := n.CreateTap(name)
		if dev != nil {
			t.Errorf("%.20q: made %+v", name, dev)
			dev.Close()
		}
		for _, err := range []error{bridgeErr, tapErr} {
			var failed *BridgeError
			if !errors.Is(err, want) || !errors.As(err, &failed) || failed.Bridge != name ||
				!slices.Equal(failed.Have, []string{"backend", "service"}) {
				t.Errorf("%.20q: %v, want %v", name, err, want)
			} else if !strings.Contains(err.Error(), "backend, service") {
				t.Errorf("%.20q: the error does not say what there is: %v", name, err)
			}
		}
	}
}

func TestBridgeErrorQuotesNoCommands(t *testing.T) {
	for _, name := range []string{"; reboot", "$(id)", "-h", "a\nb", ""} {
		text := (&BridgeError{Bridge: name, Err: ErrNoBridge}).Error()
		if !strings.Contains(text, "ip link add service type bridge") {
			t.Errorf("%q: %s", name, text)
		}
	}
}

func TestCreateTap(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "10.0.0.1/24")
	setMTU(t, "service", 9000)
	dev := create(t, n, "service")
	if dev.Name != "vmmtap0" || dev.MTU != 9000 || dev.Bridge.Name != "service" || !dev.Bridge.Up {
		t.Errorf("made %+v", dev)
	}
	got := attrs(t, dev.Name)
	if got.MasterIndex != attrs(t, "service").Index || got.MTU != 9000 || got.Flags&net.FlagUp == 0 ||
		!bytes.Equal(got.HardwareAddr, TapMAC[:]) {
		t.Errorf("kernel says %+v", got)
	}
	if mtu := attrs(t, "service").MTU; mtu != 9000 {
		t.Errorf("the bridge now has MTU %d", mtu)
	}
	checkNoIPv6(t, dev.Name)
	second := create(t, n, "service")
	if second.Name != "vmmtap1" {
		t.Errorf("second tap is %s", second.Name)
	}
	// Closed, but a unikernel still has it.
	held, err := second.FD.Dup()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	attrs(t, "vmmtap1")
	held.Close()
	if _, err := netlink.LinkByName("vmmtap1"); !errors.As(err, new(netlink.LinkNotFoundError)) {
		t.Errorf("the tap outlives its last descriptor: %v", err)
	}
}

func checkNoIPv6(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6")
	if err == nil && strings.TrimSpace(string(text)) != "1" {
		t.Errorf("IPv6 is on for %s", name)
	}
	addrs, err := netlink.AddrList(&netlink.Dummy{LinkAttrs: *attrs(t, name)}, netlink.FAMILY_ALL)
	if err != nil || len(addrs) > 0 {
		t.Errorf("%s has addresses %v (%v)", name, addrs, err)
	}
}

// TestCreateTapUndo has a bridge whose MTU no tap can have, so that the last
// step fails; open checks that no tap is left.
func TestCreateTapUndo(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "")
	setMTU(t, "service", 65535)
	dev, err := n.CreateTap("service")
	if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "vmmtap0") || !strings.Contains(err.Error(), "service") {
		t.Errorf("made %+v, %v", dev, err)
	}
}

// TestNoAddresses checks the way to keep IPv6 off that is left where /proc/sys
// is read-only.
func TestNoAddresses(t *testing.T) {
	n := open(t)
	for name, c := range map[string]*change{"plain": nil, "quiet": {noAddresses: true}} {
		dev, err := tap.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		if c != nil {
			if err := n.route.change(name, *c); errors.Is(err, syscall.EAFNOSUPPORT) {
				t.Skip("the kernel has no IPv6")
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if err := n.route.change(name, change{up: true}); err != nil {
			t.Fatal(err)
		}
		addrs, err := netlink.AddrList(&netlink.Dummy{LinkAttrs: *attrs(t, name)}, netlink.FAMILY_V6)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(addrs) > 0; got != (c == nil) {
			t.Errorf("%s has addresses %v", name, addrs)
		}
	}
}

// TestBridgeKeepsAddress is about hosts whose bridge has no physical port.
func TestBridgeKeepsAddress(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "")
	first := create(t, n, "service")
	before := attrs(t, "service").HardwareAddr.String()
	second := create(t, n, "service")
	first.Close()
	third := create(t, n, "service")
	second.Close()
	if now := attrs(t, "service").HardwareAddr.String(); now != before {
		t.Errorf("address of the bridge went from %s to %s", before, now)
	}
	third.Close()
}

// TestTraffic sends a frame from one unikernel to another, and one from the
// host to both, and checks that a tap sends nothing itself.
func TestTraffic(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "10.0.0.1/24")
	bridgeMAC := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	if err := netlink.LinkSetHardwareAddr(&netlink.Dummy{LinkAttrs: *attrs(t, "service")}, bridgeMAC); err != nil {
		t.Fatal(err)
	}
	a, b := create(t, n, "service"), create(t, n, "service")

	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, 1, 1, 1, 0x88, 0xb5}, "from one to all"...)
	if _, err := a.FD.Write(frame); err != nil {
		t.Fatal(err)
	}
	receive(t, b, func(got []byte) bool { return bytes.Equal(got, frame) })

	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 255), Port: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := allowBroadcast(conn); err != nil {
		t.Fatal(err)
	}
	// As long as the MTU, so a frame that is cut would show.
	payload := bytes.Repeat([]byte("x"), 1500-20-8)
	if _, err := conn.Write(payload); err != nil {
		t.Fatal(err)
	}
	for _, dev := range []*Tap{a, b} {
		receive(t, dev, func(got []byte) bool { return len(got) == 1514 && bytes.HasSuffix(got, payload) })
	}
}

// receive reads frames until one is wanted. None may come from the tap itself.
func receive(t *testing.T, dev *Tap, wanted func(frame []byte) bool) {
	t.Helper()
	buf := make([]byte, 65536)
	testutil.Eventually(t, 10*time.Second, func() error {
		for {
			n, err := dev.FD.Read(buf)
			if err != nil {
				return fmt.Errorf("read %s: %w", dev.Name, err)
			}
			if bytes.Equal(buf[6:12], TapMAC[:]) {
				t.Errorf("%s sent %x", dev.Name, buf[:n])
			}
			if wanted(buf[:n]) {
				return nil
			}
		}
	})
}

func allowBroadcast(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1)
	})
	return errors.Join(err, inner)
}

func TestCreateTapInParallel(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "")
	testutil.AddBridge(t, "backend", "")
	const workers, rounds = 16, 4
	var names sync.Map
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			bridge := []string{"service", "backend"}[w%2]
			for range rounds {
				dev, err := n.CreateTap(bridge)
				if err != nil {
					t.Error(err)
					return
				}
				if other, taken := names.LoadOrStore(dev.Name, bridge); taken {
					t.Errorf("%s was made twice, on %s and %v", dev.Name, bridge, other)
				}
				if _, err := n.Bridge(bridge); err != nil {
					t.Error(err)
				}
				names.Delete(dev.Name)
				if err := dev.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// TestFullBridge fills a bridge. Closing takes the kernel some milliseconds a
// tap, unless many are closed at a time.
func TestFullBridge(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a thousand taps")
	}
	n := open(t)
	testutil.AddBridge(t, "service", "")
	var taps []*Tap
	defer func() {
		var group sync.WaitGroup
		for _, dev := range taps {
			group.Go(func() { dev.Close() })
		}
		group.Wait()
	}()
	for range MaxPorts {
		dev, err := n.CreateTap("service")
		if err != nil {
			t.Fatalf("after %d: %v", len(taps), err)
		}
		taps = append(taps, dev)
	}
	bridge, err := n.Bridge("service")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the failed one is gone
		dev, err := n.CreateTap("service")
		var failed *BridgeError
		if !errors.Is(err, ErrBridgeFull) || !errors.As(err, &failed) || failed.Bridge != "service" {
			t.Errorf("made %+v, %v", dev, err)
		}
		if ports, err := n.Ports(bridge); ports != MaxPorts || err != nil {
			t.Errorf("%d ports, %v", ports, err)
		}
		links, err := n.route.links(filter{kind: kindTun})
		if err != nil || len(links) != MaxPorts {
			t.Errorf("%d taps, %v", len(links), err)
		}
	}
}

func TestLeftovers(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "")
	persistent := func(name string, mode netlink.TuntapMode, address []byte) {
		t.Helper()
		la := netlink.NewLinkAttrs()
		la.Name = name
		if err := netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: la, Mode: mode}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tap.Remove(name) })
		if err := n.route.change(name, change{address: address, up: true}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"vmmtap10", "vmmtap9", "vmmtap8", "vmmtap007", "vmmtap", "vmmtapx", "tap0"} {
		persistent(name, netlink.TUNTAP_MODE_TAP, TapMAC[:])
	}
	persistent("vmmtap11", netlink.TUNTAP_MODE_TAP, nil)
	persistent("vmmtap12", netlink.TUNTAP_MODE_TAP, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xfe})
	persistent("vmmtap7", netlink.TUNTAP_MODE_TUN, nil)
	defer netlink.LinkDel(&netlink.Dummy{LinkAttrs: *attrs(t, "vmmtap7")})
	used, err := tap.Attach("vmmtap8")
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	ours := create(t, n, "service")

	got, err := n.Leftovers()
	slices.Sort(got)
	if want := []string{"vmmtap10", "vmmtap9"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("leftovers %v (%v), want %v", got, err, want)
	}
	for _, name := range got {
		if err := n.RemoveTap(name); err != nil {
			t.Error(err)
		}
	}
	if got, err := n.Leftovers(); len(got) > 0 || err != nil {
		t.Errorf("leftovers after removal %v, %v", got, err)
	}
	for name, want := range map[string]error{
		"vmmtap9": tap.ErrNotFound, "vmmtap8": tap.ErrBusy, ours.Name: tap.ErrBusy, "tap0": ErrNotOurs,
		"vmmtap007": ErrNotOurs, "lo": ErrNotOurs, "vmmtap%d": ErrNotOurs, "vmmtap-1": ErrNotOurs, "": ErrNotOurs,
		"vmmtap7": ErrNotOurs, "vmmtap11": ErrNotOurs, "vmmtap12": ErrNotOurs,
	} {
		if err := n.RemoveTap(name); !errors.Is(err, want) {
			t.Errorf("removal of %q: %v, want %v", name, err, want)
		}
	}
	ours.Close()
	used.Close()
	for _, name := range []string{"vmmtap8", "vmmtap007", "vmmtap", "vmmtapx", "tap0", "vmmtap11", "vmmtap12"} {
		attrs(t, name) // still there
		if err := tap.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// TestTakenNames makes taps where others, of another daemon, have the next names.
func TestTakenNames(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "")
	for _, name := range []string{"vmmtap0", "vmmtap1", "vmmtap3"} {
		taken, err := tap.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
	}
	for _, want := range []string{"vmmtap2", "vmmtap4"} {
		if dev := create(t, n, "service"); dev.Name != want {
			t.Errorf("made %s, want %s", dev.Name, want)
		}
	}
}
