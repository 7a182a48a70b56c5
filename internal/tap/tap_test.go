package tap

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"albatross/internal/linux"
	"albatross/internal/testutil"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// inNetns prepares a test that makes taps.
func inNetns(t *testing.T) {
	t.Helper()
	testutil.RequireTap(t)
	testutil.NoLeakedFDs(t, os.Getpid())
	testutil.Netns(t)
}

// persistent makes a persistent interface as "ip tuntap add" does. Flags beyond
// IFF_TAP or IFF_TUN make variants that are not ours.
func persistent(t *testing.T, name string, flags uint16, up bool) {
	t.Helper()
	fd, err := openTun()
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(flags)
	if err := ioctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		t.Fatal(err)
	}
	if err := setPersistent(fd, true); err != nil {
		t.Fatal(err)
	}
	if up {
		setUp(t, name)
	}
}

func setUp(t *testing.T, name string) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func exists(t *testing.T, name string) bool {
	t.Helper()
	ctl, err := openControl()
	if err != nil {
		t.Fatal(err)
	}
	defer ctl.Close()
	found, err := ctl.exists(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// feature returns what ETHTOOL_GGRO and its like say.
func feature(t *testing.T, name string, get uint32) uint32 {
	t.Helper()
	ctl, err := openControl()
	if err != nil {
		t.Fatal(err)
	}
	defer ctl.Close()
	value := &ethtoolValue{cmd: get}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(value)}
	copy(request.name[:], name)
	if err := ioctl(ctl.fd, unix.SIOCETHTOOL, unsafe.Pointer(&request)); err != nil {
		t.Fatalf("get feature %#x of %s: %v", get, name, err)
	}
	return value.data
}

// checkUsable checks what a tender relies on.
func checkUsable(t *testing.T, dev *Device) {
	t.Helper()
	if _, err := dev.FD.Read(make([]byte, 2048)); err != nil && err != syscall.EAGAIN && err != syscall.EIO {
		t.Errorf("read of %s, which might block: %v", dev.Name, err)
	}
	if nonblocking, err := dev.FD.Nonblocking(); !nonblocking || err != nil {
		t.Errorf("%s is blocking (%v)", dev.Name, err)
	}
	fdFlags, err := unix.FcntlInt(uintptr(dev.FD.Int()), unix.F_GETFD, 0)
	if err != nil || fdFlags&unix.FD_CLOEXEC == 0 {
		t.Errorf("%s is not close-on-exec (%v)", dev.Name, err)
	}
	name, have, err := getInterface(dev.FD)
	if err != nil || name != dev.Name || have&(flags|unix.IFF_VNET_HDR) != flags {
		t.Errorf("%s is attached to %q with flags %#x (%v)", dev.Name, name, have, err)
	}
	for _, get := range []uint32{unix.ETHTOOL_GGRO, unix.ETHTOOL_GGSO, unix.ETHTOOL_GTSO} {
		if on := feature(t, dev.Name, get); on != 0 {
			t.Errorf("%s has offload %#x", dev.Name, get)
		}
	}
}

func TestCreate(t *testing.T) {
	inNetns(t)
	for i := range 3 {
		dev, err := Create("vmmtap" + strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		if want := "vmmtap" + strconv.Itoa(i); dev.Name != want || dev.MTU != 1500 {
			t.Errorf("made %s with MTU %d, want %s with 1500", dev.Name, dev.MTU, want)
		}
		checkUsable(t, dev)
	}
	dev, err := Create("named")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	checkUsable(t, dev)
	if _, err := Create("named"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second tap of a name: %v", err)
	}
	dev.Close()
	if exists(t, "named") {
		t.Error("the tap outlives its descriptor")
	}
}

func TestCreateRefusesNames(t *testing.T) {
	for _, name := range []string{
		"", ".", "..", "a/b", "a b", "a:b", "a\x00b", "%s", "vmmtap%d", "sixteen-bytes-xx", "x\n",
	} {
		if dev, err := Create(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %+v, %v", name, dev, err)
		}
	}
}

func TestAttach(t *testing.T) {
	inNetns(t)
	persistent(t, "solo0", unix.IFF_TAP|unix.IFF_NO_PI, true)
	link, err := netlink.LinkByName("solo0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetMTU(link, 9000); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it can be attached to again and again
		dev, err := Open("solo0")
		if err != nil {
			t.Fatal(err)
		}
		if dev.Name != "solo0" || dev.MTU != 9000 {
			t.Errorf("attached to %s with MTU %d", dev.Name, dev.MTU)
		}
		checkUsable(t, dev)
		if _, err := Attach("solo0"); !errors.Is(err, ErrBusy) || !errors.Is(err, syscall.EBUSY) {
			t.Errorf("second attachment: %v", err)
		}
		dev.Close()
	}
	if !exists(t, "solo0") {
		t.Error("a persistent tap vanished when it was closed")
	}
}

// TestAttachChangesFlags attaches to a tap that had headers before its frames,
// which is how some versions of ip make them.
func TestAttachChangesFlags(t *testing.T) {
	inNetns(t)
	persistent(t, "solo1", unix.IFF_TAP|unix.IFF_VNET_HDR, true)
	dev, err := Attach("solo1")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	checkUsable(t, dev)
}

func TestAttachRefuses(t *testing.T) {
	inNetns(t)
	persistent(t, "down0", unix.IFF_TAP|unix.IFF_NO_PI, false)
	persistent(t, "tun0", unix.IFF_TUN|unix.IFF_NO_PI, true)
	persistent(t, "queues0", unix.IFF_TAP|unix.IFF_NO_PI|unix.IFF_MULTI_QUEUE, true)
	for _, test := range []struct {
		spec  string
		want  error
		errno syscall.Errno
	}{
		{"none0", ErrNotFound, syscall.ENOENT},
		{"down0", ErrDown, syscall.ENETDOWN},
		{"lo", ErrNotTap, syscall.EINVAL},
		{"tun0", ErrNotTap, syscall.EINVAL},
		{"queues0", ErrNotTap, syscall.EINVAL},
		{"vmmtap%d", ErrName, syscall.EINVAL},
		{"a-name-too-long-0", ErrName, syscall.ENAMETOOLONG},
		{"", ErrName, 0},
		{"@", ErrName, 0},
		{"@x", ErrName, 0},
		{"@-1", ErrName, 0},
		{"@4294967296", ErrName, 0},
		{"@1000000", ErrNotTap, syscall.EBADF},
	} {
		dev, err := Open(test.spec)
		if !errors.Is(err, test.want) || test.errno != 0 && !errors.Is(err, test.errno) {
			t.Errorf("%q: %+v, %v; want %v", test.spec, dev, err, test.want)
		}
		if err != nil && !strings.Contains(err.Error(), test.spec) && !strings.HasPrefix(test.spec, "@") {
			t.Errorf("the error does not name %q: %v", test.spec, err)
		}
	}
	if exists(t, "none0") || exists(t, "vmmtap0") {
		t.Error("a failed attachment made an interface")
	}
}

func TestFromFD(t *testing.T) {
	inNetns(t)
	made, err := Create("vmmtap0")
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	// As it arrives in a child process: blocking, inherited over exec.
	dup, err := unix.Dup(made.FD.Int())
	if err != nil {
		t.Fatal(err)
	}
	if err := made.FD.SetNonblock(false); err != nil {
		t.Fatal(err)
	}
	dev, err := Open("@" + strconv.Itoa(dup))
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if dev.Name != made.Name || dev.Index != made.Index || dev.Index == 0 || dev.MTU != made.MTU || dev.FD.Int() != dup {
		t.Errorf("passed on %+v, got %+v", made, dev)
	}
	checkUsable(t, dev)
	made.Close()
	if !exists(t, dev.Name) {
		t.Error("the tap vanished though a duplicate is open")
	}
}

func TestFromFDRefuses(t *testing.T) {
	inNetns(t)
	headers, err := openTun()
	if err != nil {
		t.Fatal(err)
	}
	defer headers.Close()
	ifr, _ := unix.NewIfreq("headers0")
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := ioctlIfreq(headers, unix.TUNSETIFF, ifr); err != nil {
		t.Fatal(err)
	}
	fresh, err := openTun()
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	epoll, err := linux.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer epoll.Close()
	for what, fd := range map[string]*linux.FD{
		"with headers": headers, "not attached": fresh, "an epoll set": epoll, "closed": linux.NewFD(-1),
	} {
		if dev, err := FromFD(fd); !errors.Is(err, ErrNotTap) {
			t.Errorf("%s: %+v, %v", what, dev, err)
		}
		if what != "closed" && fd.Int() < 0 {
			t.Errorf("%s: the refused descriptor was closed", what)
		}
	}
}

func TestRemove(t *testing.T) {
	inNetns(t)
	persistent(t, "vmmtap7", unix.IFF_TAP|unix.IFF_NO_PI, true)
	dev, err := Attach("vmmtap7")
	if err != nil {
		t.Fatal(err)
	}
	if err := Remove("vmmtap7"); !errors.Is(err, ErrBusy) {
		t.Errorf("removal of a tap in use: %v", err)
	}
	dev.Close()
	if !exists(t, "vmmtap7") {
		t.Fatal("a tap in use was removed")
	}
	if err := Remove("vmmtap7"); err != nil {
		t.Error(err)
	}
	if exists(t, "vmmtap7") {
		t.Error("the tap is still there")
	}
	for name, want := range map[string]error{"vmmtap7": ErrNotFound, "lo": ErrNotTap, "vmmtap%d": ErrName} {
		if err := Remove(name); !errors.Is(err, want) {
			t.Errorf("removal of %s: %v, want %v", name, err, want)
		}
	}
}

func TestRandomMAC(t *testing.T) {
	seen := make(map[[6]byte]bool)
	for range 1000 {
		mac := RandomMAC()
		if mac[0]&0x03 != 0x02 {
			t.Fatalf("%x is not a local unicast address", mac)
		}
		seen[mac] = true
	}
	if len(seen) < 999 {
		t.Errorf("only %d of 1000 addresses differ", len(seen))
	}
}

// TestCheckName compares with the kernel's rules (dev_valid_name).
func TestCheckName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.SampledFrom([]rune("ab0.-_%/: \t\n\x00é")), 0, 20, -1).Draw(t, "name")
		bad := name == "" || name == "." || name == ".." || len(name) > 15
		for _, c := range []byte(name) {
			bad = bad || c <= ' ' && (c == ' ' || c == 0 || c >= '\t' && c <= '\r') || c == '/' || c == ':' || c == '%'
		}
		if got := checkName(name) != nil; got != bad {
			t.Fatalf("%q refused: %t", name, got)
		}
	})
}
