package sample

import (
	"encoding/binary"
	"math"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"albatross/internal/hostnet"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

// network returns the network of the calling thread, looked at once.
func network(t *testing.T) *Network {
	t.Helper()
	n, err := OpenNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.Refresh(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, ok := n.Interface("no such"); ok {
		t.Error("there is an interface that cannot be")
	}
	return n
}

func TestLinksAgreeWithTheStandardLibrary(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	n := network(t)
	for _, i := range interfaces {
		l, ok := n.Interface(i.Name)
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
	looking := network(t)
	if _, ok := looking.Interface("service"); !ok {
		t.Error("the bridge is not known")
	}
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
	if err := looking.Refresh(time.Now()); err != nil {
		t.Fatal(err)
	}
	got, ok := looking.Interface(tap.Name)
	if !ok {
		t.Fatalf("%s is not known", tap.Name)
	}
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

// A new interface is known at once, one that is gone is not, and one that takes a
// name is not taken for the one before.
func TestInterfacesComeAndGo(t *testing.T) {
	testutil.RequireRoot(t)
	testutil.Netns(t)
	n := network(t)
	for range 2 {
		testutil.AddBridge(t, "coming", "")
		if err := n.Refresh(time.Now()); err != nil {
			t.Fatal(err)
		}
		if i, ok := n.Interface("coming"); !ok || i.MTU != 1500 {
			t.Errorf("%+v, %t", i, ok)
		}
		if out, err := exec.Command("ip", "link", "delete", "coming").CombinedOutput(); err != nil {
			t.Skipf("needs ip: %s %v", out, err)
		}
		if err := n.Refresh(time.Now()); err != nil {
			t.Fatal(err)
		}
		if i, ok := n.Interface("coming"); ok {
			t.Errorf("still there: %+v", i)
		}
	}
}

func FuzzMessages(f *testing.F) {
	if dump, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC); err == nil {
		f.Add(dump)
	}
	f.Add([]byte{16, 0, 0, 0, syscall.RTM_NEWLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, dump []byte) {
		var sequence uint32
		if len(dump) >= 12 {
			sequence = binary.NativeEndian.Uint32(dump[8:])
		}
		_, err := messages(dump, sequence, func(kind uint16, body []byte) error {
			_, l, err := parseLink(body)
			if err == nil && (l.Flags < 0 || l.MTU < 0 || l.InBytes < 0 || l.Collisions < 0) {
				t.Errorf("%+v", l)
			}
			return err
		})
		if err != nil && err.Error() == "" {
			t.Error("an error says nothing")
		}
	})
}

func BenchmarkRefresh(b *testing.B) {
	n, err := OpenNetwork()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		if err := n.Refresh(time.Unix(0, 0)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(n.byIndex)), "interfaces")
}
