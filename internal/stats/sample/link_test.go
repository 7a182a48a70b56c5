package sample

import (
	"math"
	"net"
	"syscall"
	"testing"

	"albatross/internal/hostnet"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

func TestLinksAgreeWithTheStandardLibrary(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	links, err := Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		l, ok := links[i.Name]
		loopback := l.Flags&syscall.IFF_LOOPBACK != 0
		if !ok || l.Name != i.Name || int(l.MTU) != i.MTU || loopback != (i.Flags&net.FlagLoopback != 0) {
			t.Errorf("%s: got %+v, want %+v", i.Name, l, i)
		}
	}
	if len(interfaces) == 0 {
		t.Skip("the machine has no interfaces")
	}
}

// What the unikernel sends is input.
func TestTapCounters(t *testing.T) {
	testutil.RequireTap(t)
	testutil.Netns(t)
	testutil.AddBridge(t, "service", "")
	n, err := hostnet.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	tap, err := n.CreateTap("service")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tap.Close(); err != nil {
			t.Error(err)
		}
	}()
	frame := make([]byte, 100) // to nobody, from nobody, of no protocol
	copy(frame, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5})
	for range 3 {
		if _, err := tap.FD.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	links, err := Links()
	if err != nil {
		t.Fatal(err)
	}
	got := links[tap.Name]
	if want := int32(syscall.IFF_UP | syscall.IFF_RUNNING | syscall.IFF_BROADCAST | syscall.IFF_MULTICAST); got.Flags&want != want {
		t.Errorf("flags %#x lack some of %#x", got.Flags, want)
	}
	// IFLA_STATS64 of a tap counts what it reads from its descriptor without the
	// link layer's header of 14 bytes or with it, as the kernel likes.
	if got.InBytes != 3*100 && got.InBytes != 3*86 {
		t.Errorf("%d bytes came in", got.InBytes)
	}
	want := vm.Interface{Name: tap.Name, MTU: 1500, InPackets: 3}
	got.Flags, got.InBytes = 0, 0
	// The bridge may have sent something of its own.
	got.OutPackets, got.OutBytes, got.OutDropped = 0, 0, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSaturate(t *testing.T) {
	for n, want := range map[uint32]int32{0: 0, 1500: 1500, math.MaxInt32: math.MaxInt32, math.MaxUint32: math.MaxInt32} {
		if got := saturate(n); got != want {
			t.Errorf("%d becomes %d", n, got)
		}
	}
}

func FuzzParseLinks(f *testing.F) {
	if dump, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC); err == nil {
		f.Add(dump)
	}
	f.Add([]byte{16, 0, 0, 0, syscall.RTM_NEWLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, dump []byte) {
		links, err := parseLinks(dump)
		for name, l := range links {
			if err != nil || l.Name != name || l.Flags < 0 || l.MTU < 0 || l.InBytes < 0 || l.Collisions < 0 {
				t.Errorf("%q: %+v, %v", name, l, err)
			}
		}
	})
}
