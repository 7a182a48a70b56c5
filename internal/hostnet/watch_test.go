package hostnet

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"albatross/internal/tap"
	"albatross/internal/testutil"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"go.uber.org/goleak"
)

// watch begins a watch that is closed at the end of the test.
func watch(t *testing.T, n *Net) *Watch {
	t.Helper()
	w, err := n.Watch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		goleak.VerifyNone(t)
	})
	return w
}

// until looks at the network each time it has changed, until check is content.
func (w *Watch) until(t *testing.T, n *Net, what string, check func(Survey) bool) {
	t.Helper()
	over := time.After(10 * time.Second)
	for {
		s, err := n.Survey()
		if err != nil {
			t.Fatal(err)
		}
		if check(s) {
			return
		}
		select {
		case <-w.Changed():
		case <-over:
			t.Fatalf("%s: not seen in %+v", what, s)
		}
	}
}

// TestWatch changes the network in all ways that matter; each is seen by one who
// looks only when told to.
func TestWatch(t *testing.T) {
	n := open(t)
	w := watch(t, n)
	testutil.AddBridge(t, "service", "")
	service := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "service"}}
	w.until(t, n, "a bridge that comes", func(s Survey) bool { return s.Bridges["service"].Up })

	dev := create(t, n, "service")
	index := attrs(t, dev.Name).Index
	bridge := attrs(t, "service").Index
	want := Port{Name: dev.Name, Index: index, MTU: 1500, Master: bridge, Bridge: "service", Up: true}
	w.until(t, n, "a tap that comes", func(s Survey) bool { return s.Ports[index] == want })

	must(t, netlink.LinkSetDown(service))
	w.until(t, n, "a bridge that goes down", func(s Survey) bool { return !s.Bridges["service"].Up })
	must(t, netlink.LinkSetNoMaster(&netlink.Dummy{LinkAttrs: *attrs(t, dev.Name)}))
	w.until(t, n, "a tap that is taken off", func(s Survey) bool { return s.Ports[index].Master == 0 })
	must(t, netlink.LinkSetDown(&netlink.Dummy{LinkAttrs: *attrs(t, dev.Name)}))
	w.until(t, n, "a tap that goes down", func(s Survey) bool { return !s.Ports[index].Up })
	must(t, netlink.LinkDel(service))
	w.until(t, n, "a bridge that goes", func(s Survey) bool { return len(s.Bridges) == 0 && len(s.Ports) == 1 })
	must(t, dev.Close())
	w.until(t, n, "a tap that goes", func(s Survey) bool { return len(s.Ports) == 0 })
}

// flood changes an interface of others until a listener that does not read has
// missed something.
func flood(t *testing.T, w *Watch) {
	t.Helper()
	must(t, w.socket.SetReceiveBufferSize(1, false)) // the kernel makes it some KiB
	other, err := tap.Create("other0")
	must(t, err)
	defer other.Close()
	for i := range 20 {
		setMTU(t, "other0", 1000+i)
	}
}

// TestWatchThatMissesSomething has nothing to tell but that something was lost.
func TestWatchThatMissesSomething(t *testing.T) {
	open(t)
	w, err := newWatch()
	must(t, err)
	defer w.Close()
	flood(t, w)
	w.over.Go(w.read)
	select {
	case <-w.Changed():
	case <-time.After(10 * time.Second):
		t.Error("messages were lost and nobody was told to look")
	}
}

func TestConcerns(t *testing.T) {
	bridge := nl.NewRtAttr(syscall.IFLA_LINKINFO, nil)
	bridge.AddRtAttr(nl.IFLA_INFO_KIND, nl.ZeroTerminated("bridge"))
	named := func(name string) *nl.RtAttr { return nl.NewRtAttr(syscall.IFLA_IFNAME, nl.ZeroTerminated(name)) }
	for what, tt := range map[string]struct {
		kind uint16
		data []byte
		want bool
	}{
		"a bridge":         {syscall.RTM_NEWLINK, message(3, named("br0"), bridge), true},
		"a bridge's end":   {syscall.RTM_DELLINK, message(3, named("br0"), bridge), true},
		"a tap of ours":    {syscall.RTM_NEWLINK, tunMessage(), true},
		"a tap of others":  {syscall.RTM_NEWLINK, message(3, named("tap3")), false},
		"hardware":         {syscall.RTM_NEWLINK, message(3, named("eth0")), false},
		"an address":       {syscall.RTM_NEWADDR, message(3, named("br0"), bridge), false},
		"what is cut off":  {syscall.RTM_NEWLINK, []byte("short"), true},
		"what is no more":  {syscall.NLMSG_DONE, nil, false},
		"a strange length": {syscall.RTM_NEWLINK, append(message(3), 3, 0, 0, 0), true},
	} {
		m := syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: tt.kind}, Data: tt.data}
		if got := concerns(m); got != tt.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}

func TestAttach(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "")
	testutil.AddBridge(t, "backend", "")
	dev := create(t, n, "service")
	index := dev.Index
	survey := func() Survey {
		t.Helper()
		s, err := n.Survey()
		must(t, err)
		return s
	}
	must(t, netlink.LinkDel(&netlink.Bridge{LinkAttrs: *attrs(t, "service")}))
	lost := survey().Ports[index]
	if lost.Name != dev.Name || lost.Master != 0 || lost.Bridge != "" {
		t.Errorf("without its bridge it is %+v", lost)
	}
	testutil.AddBridge(t, "service", "")
	setMTU(t, "service", 9000)
	must(t, netlink.LinkSetDown(&netlink.Dummy{LinkAttrs: *attrs(t, dev.Name)}))
	for range 2 { // it may be there already
		must(t, n.Attach(lost, survey().Bridges["service"]))
		want := Port{Name: dev.Name, Index: index, MTU: 9000, Master: attrs(t, "service").Index, Bridge: "service", Up: true}
		if got := survey().Ports[index]; got != want {
			t.Errorf("attached it is %+v, want %+v", got, want)
		}
	}
	checkNoIPv6(t, dev.Name)
	if err := n.Attach(lost, survey().Bridges["backend"]); !errors.Is(err, ErrOnOther) {
		t.Errorf("moving it to another bridge: %v", err)
	}
	if got := survey().Ports[index].Bridge; got != "service" {
		t.Errorf("it was moved to %q", got)
	}
}

func TestAttachRefuses(t *testing.T) {
	n := open(t)
	testutil.AddBridge(t, "service", "")
	bridge, err := n.Bridge("service")
	must(t, err)
	testutil.AddBridge(t, "vmmtap5", "")
	must(t, netlink.LinkSetHardwareAddr(&netlink.Bridge{LinkAttrs: *attrs(t, "vmmtap5")}, TapMAC[:]))
	other := create(t, n, "service")
	must(t, netlink.LinkSetNoMaster(&netlink.Dummy{LinkAttrs: *attrs(t, other.Name)}))
	must(t, netlink.LinkSetHardwareAddr(&netlink.Dummy{LinkAttrs: *attrs(t, other.Name)}, []byte{2, 0, 0, 0, 0, 1}))
	ours := create(t, n, "service")
	port := Port{Name: ours.Name, Index: ours.Index}
	must(t, netlink.LinkSetNoMaster(&netlink.Dummy{LinkAttrs: *attrs(t, ours.Name)}))
	for _, tt := range []struct {
		what   string
		port   Port
		bridge Bridge
		want   error
	}{
		{"no tap", Port{Name: "vmmtap5", Index: attrs(t, "vmmtap5").Index}, bridge, ErrNotOurs},
		{"a tap with another address", Port{Name: other.Name, Index: other.Index}, bridge, ErrNotOurs},
		{"the loopback interface", Port{Name: "lo", Index: 1}, bridge, ErrNotOurs},
		{"a tap that is gone", Port{Name: "vmmtap9", Index: 1 << 30}, bridge, syscall.ENODEV},
		{"no index", Port{Name: ours.Name}, bridge, syscall.ENODEV},
		{"a bridge that is gone", port, Bridge{Name: "service", Index: 1 << 30, MTU: 1500}, nil},
		{"no bridge", port, Bridge{Name: "service", MTU: 1500}, syscall.ENODEV},
		{"an interface that is no bridge", port, Bridge{Name: "lo", Index: 1, MTU: 1500}, nil},
	} {
		err := n.Attach(tt.port, tt.bridge)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, err, tt.want)
		}
	}
	s, err := n.Survey()
	must(t, err)
	if p, ok := s.PortByName(ours.Name); !ok || p.Master != 0 {
		t.Errorf("port is %+v", p)
	}
	if p, ok := s.PortByName(other.Name); ok {
		t.Errorf("a tap with another address passes for ours: %+v", p)
	}
	must(t, n.Attach(port, bridge))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
