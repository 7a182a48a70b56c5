package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/events"
	"albatross/internal/hostnet"
	"albatross/internal/store"
	"albatross/internal/tap"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/vishvananda/netlink"
)

// onNetwork skips tests that cannot make bridges and taps.
func onNetwork(t *testing.T) {
	t.Helper()
	testutil.RequireRoot(t)
	testutil.RequireTap(t)
}

// web is a unikernel with one interface.
func web(bridge string) vm.Config {
	cfg := config("--ipv4=10.0.43.2/24")
	cfg.Nets = []vm.Net{{Name: "service", Bridge: &bridge}}
	return cfg
}

func link(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
}

// tapOf returns the tap of a unikernel with one.
func (w *world) tapOf(n string) string {
	w.t.Helper()
	taps := w.host.unit(name(w.t, n)).run.taps
	if len(taps) != 1 {
		w.t.Fatalf("%s has the taps %+v", n, taps)
	}
	return taps[0].Tap
}

// problem waits until a unikernel has one problem, with these words in it.
func (w *world) problem(n string, words ...string) {
	w.t.Helper()
	testutil.Eventually(w.t, 20*time.Second, func() error {
		s := w.state(n)
		if len(s.Problems) != 1 {
			return fmt.Errorf("%s has the problems %q", n, s.Problems)
		}
		for _, word := range words {
			if !strings.Contains(s.Problems[0], word) {
				return fmt.Errorf("%q is not in %q", word, s.Problems[0])
			}
		}
		return nil
	})
}

// healthy waits until a unikernel has no problem and its tap is on the bridge.
func (w *world) healthy(n, bridge string) {
	w.t.Helper()
	testutil.Eventually(w.t, 20*time.Second, func() error {
		if s := w.state(n); len(s.Problems) > 0 {
			return fmt.Errorf("%s has the problems %q", n, s.Problems)
		}
		got, want := link(w.t, w.tapOf(n)).Attrs(), link(w.t, bridge).Attrs()
		if got.MasterIndex != want.Index || got.MTU != want.MTU || got.Flags&net.FlagUp == 0 {
			return fmt.Errorf("the tap is %+v, the bridge %+v", got, want)
		}
		return nil
	})
}

// wantEvents waits until those of the given kinds that were recorded are n, whose
// text has these words in it.
func (w *world) wantEvents(kind string, n int, words string) {
	w.t.Helper()
	testutil.Eventually(w.t, 10*time.Second, func() error {
		var got []string
		err := w.host.Events().Read(w.t.Context(), events.Wanted{}, func(e api.Event) error {
			if e.Kind == kind {
				got = append(got, fmt.Sprintf("%v %d %s", e.Name, e.PID, e.Text))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, text := range got {
			if !strings.Contains(text, words) {
				return fmt.Errorf("%s: %q is not in %q", kind, words, text)
			}
		}
		if len(got) != n {
			return fmt.Errorf("%s: there are %q, want %d", kind, got, n)
		}
		return nil
	})
}

// bridges returns those that the root's policy allows.
func (w *world) bridges() vm.Set[string] {
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	return w.host.tree.Root().Bridges
}

// TestBridgeGoneAndBack removes the bridge of a unikernel and makes it again,
// each of which a daemon sees, or finds when it starts.
func TestBridgeGoneAndBack(t *testing.T) {
	onNetwork(t)
	for _, tt := range []struct{ seeGone, seeBack bool }{{true, true}, {false, true}, {true, false}, {false, false}} {
		t.Run(fmt.Sprintf("gone=%t,back=%t", tt.seeGone, tt.seeBack), func(t *testing.T) {
			w := newWorld(t)
			testutil.AddBridge(t, "br43", "10.0.43.1/24")
			must(t, w.create("www", "web", web("br43"), false))
			w.healthy("www", "br43")
			pid := w.state("www").PID

			w.change(tt.seeGone, func() { must(t, netlink.LinkDel(link(t, "br43"))) })
			w.problem("www", `bridge "br43" is gone`, `interface "service" has no network`, "ip link add br43 type bridge")
			if got := w.bridges(); got.Has("br43") {
				t.Errorf("the root still allows the bridges %v", got)
			}
			wantCode(t, w.create("more", "web", web("br43"), false), api.NotFound, "br43")
			w.wantEvents(api.EventBridgeGone, 1, fmt.Sprintf("www %d bridge", pid))

			w.change(tt.seeBack, func() { testutil.AddBridge(t, "br43", "10.0.43.1/24") })
			w.healthy("www", "br43")
			if s := w.state("www"); s.PID != pid || s.Phase != api.PhaseRunning || s.Restarts != 0 {
				t.Errorf("process %d became %+v", pid, s)
			}
			w.wantEvents(api.EventBridgeBack, 1, fmt.Sprintf("www %d interface", pid))
			w.wantEvents(api.EventBridgeGone, 1, "")
			if got := w.bridges(); !got.Has("br43") {
				t.Errorf("the root allows the bridges %v", got)
			}
		})
	}
}

// change changes the network before the eyes of a daemon, or while there is none.
func (w *world) change(seen bool, what func()) {
	w.t.Helper()
	if seen {
		what()
		return
	}
	w.close()
	what()
	w.open()
}

// TestBridgeReplaced makes a bridge anew so fast that nobody sees it gone, and
// while no daemon runs.
func TestBridgeReplaced(t *testing.T) {
	onNetwork(t)
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("daemon=%t", running), func(t *testing.T) {
			w := newWorld(t)
			testutil.AddBridge(t, "br43", "")
			must(t, w.create("www", "web", web("br43"), false))
			pid := w.state("www").PID
			w.change(running, func() {
				must(t, netlink.LinkDel(link(t, "br43")))
				testutil.AddBridge(t, "br43", "")
			})
			w.healthy("www", "br43")
			if s := w.state("www"); s.PID != pid {
				t.Errorf("process %d became %+v", pid, s)
			}
			w.wantEvents(api.EventBridgeBack, 1, "br43")
		})
	}
}

// TestBridgeThatTakesNoTap makes the bridge again in a way that does not work,
// and then in one that does.
func TestBridgeThatTakesNoTap(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br43", "")
	must(t, w.create("www", "web", web("br43"), false))
	testutil.AddBridge(t, "other43", "")
	must(t, netlink.LinkSetMTU(link(t, "other43"), 65535)) // more than a tap can have
	must(t, netlink.LinkSetDown(link(t, "other43")))
	must(t, netlink.LinkDel(link(t, "br43")))
	must(t, netlink.LinkSetName(link(t, "other43"), "br43"))
	must(t, netlink.LinkSetUp(link(t, "br43")))
	t.Cleanup(func() { must(t, netlink.LinkDel(link(t, "br43"))) })
	w.problem("www", `cannot be put on bridge "br43"`, "tried again")
	must(t, netlink.LinkSetMTU(link(t, "br43"), 1500))
	w.healthy("www", "br43")
}

// TestPortProblems does to the network of a unikernel what root may do; each is
// told with the command that mends it, which then does.
func TestPortProblems(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br43", "")
	testutil.AddBridge(t, "br44", "")
	must(t, netlink.LinkSetDown(link(t, "br43")))
	must(t, netlink.LinkSetMTU(link(t, "br43"), 4000))
	must(t, w.create("www", "web", web("br43"), false))
	// Known at once: nothing has to change for it to be seen.
	if s := w.state("www"); len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "ip link set br43 up") {
		t.Errorf("on a bridge that is down: %q", s.Problems)
	}
	must(t, netlink.LinkSetUp(link(t, "br43")))
	w.healthy("www", "br43")
	dev := w.tapOf("www")

	must(t, netlink.LinkSetDown(link(t, dev)))
	w.problem("www", "is down", "ip link set "+dev+" up")
	must(t, netlink.LinkSetUp(link(t, dev)))
	w.healthy("www", "br43")

	must(t, netlink.LinkSetNoMaster(link(t, dev)))
	w.problem("www", "taken off", "ip link set "+dev+" master br43")
	must(t, netlink.LinkSetMaster(link(t, dev), link(t, "br44")))
	w.problem("www", `not on bridge "br43" but on "br44"`, "ip link set "+dev+" master br43")
	must(t, netlink.LinkSetMaster(link(t, dev), link(t, "br43")))
	w.healthy("www", "br43")

	must(t, netlink.LinkSetMTU(link(t, "br43"), 1500))
	w.problem("www", "1500", "4000", "ip link set br43 mtu 4000")
	must(t, netlink.LinkSetMTU(link(t, "br43"), 4000))
	w.healthy("www", "br43")

	must(t, netlink.LinkSetDown(link(t, "br43")))
	must(t, netlink.LinkSetName(link(t, "br43"), "renamed"))
	w.problem("www", `not on bridge "br43" but on "renamed"`)
	must(t, netlink.LinkSetName(link(t, "renamed"), "br43"))
	must(t, netlink.LinkSetUp(link(t, "br43")))
	w.healthy("www", "br43")

	must(t, netlink.LinkDel(link(t, dev)))
	w.problem("www", dev+", was removed", "restarted")
	must(t, w.host.Restart(t.Context(), name(t, "www"), nil))
	w.healthy("www", "br43")
}

// TestTakenOffIsNotFought takes a tap off its bridge for good: whatever changes
// afterwards, it stays off.
func TestTakenOffIsNotFought(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br43", "")
	must(t, w.create("www", "web", web("br43"), false))
	w.healthy("www", "br43")
	must(t, netlink.LinkSetNoMaster(link(t, w.tapOf("www"))))
	w.problem("www", "taken off")
	testutil.AddBridge(t, "br44", "")
	testutil.Eventually(t, 20*time.Second, func() error { // it has looked again
		if got := w.bridges(); !got.Has("br44") {
			return fmt.Errorf("the root allows the bridges %v", got)
		}
		return nil
	})
	w.problem("www", "taken off")
	if master := link(t, w.tapOf("www")).Attrs().MasterIndex; master != 0 {
		t.Errorf("it was put on interface %d", master)
	}
}

// TestSecondHolderOfAnAddress gives two interfaces of a bridge the same address.
func TestSecondHolderOfAnAddress(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br43", "")
	testutil.AddBridge(t, "br44", "")
	with := func(bridge string, mac vm.MAC) vm.Config {
		cfg := web(bridge)
		cfg.Nets[0].MAC = &mac
		return cfg
	}
	mac, other := vm.MAC{2, 0, 0, 0, 0, 1}, vm.MAC{2, 0, 0, 0, 0, 2}
	must(t, w.create("one", "web", with("br43", mac), false))
	wantCode(t, w.create("two", "web", with("br43", mac), false), api.InUse, "02:00:00:00:00:01")
	wantCode(t, w.create("two", "web", with("br43", mac), false), api.InUse, `interface "service" of one`)
	must(t, w.create("two", "web", with("br44", mac), false)) // another bridge is another network
	must(t, w.create("one", "web", with("br43", mac), true))  // its own
	must(t, w.create("three", "web", with("br43", other), false))

	pid := w.state("three").PID
	moved := with("br43", mac).Arguments
	wantCode(t, w.host.Restart(t.Context(), name(t, "three"), &moved), api.InUse, "of one")
	if s := w.state("three"); s.PID != pid {
		t.Errorf("a refused restart touched it: %+v", s)
	}
	moved = with("br43", vm.MAC{2, 0, 0, 0, 0, 3}).Arguments
	must(t, w.host.Restart(t.Context(), name(t, "one"), &moved))
	must(t, w.create("four", "web", with("br43", mac), false)) // which is free now
	_, err := w.host.Destroy(t.Context(), name(t, "four"))
	must(t, err)
	moved = with("br43", mac).Arguments
	must(t, w.host.Restart(t.Context(), name(t, "three"), &moved))
	w.close()
	w.open()
	wantCode(t, w.create("five", "web", with("br43", mac), false), api.InUse, "of three")
}

// TestFailedCreateLeavesNoAddress has a create fail after its claim was made.
func TestFailedCreateLeavesNoAddress(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br43", "")
	must(t, w.host.store.Close())
	if err := w.create("one", "web", web("br43"), false); err == nil {
		t.Error("created without a store")
	}
	w.host.mu.Lock()
	left := len(w.host.addresses.holders) + len(w.host.addresses.own)
	w.host.mu.Unlock()
	if left > 0 {
		t.Errorf("%d addresses are still taken", left)
	}
	reopened, err := store.Open(w.cfg.DB.State())
	must(t, err)
	w.host.store = reopened
}

// TestSharedAddressIsKept has records from elsewhere with an address that two
// have: both run on, may be restarted as they are, and no third gets it.
func TestSharedAddressIsKept(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br43", "")
	mac := vm.MAC{2, 0, 0, 0, 0, 1}
	must(t, w.create("one", "web", web("br43"), false))
	must(t, w.create("two", "web", web("br43"), false))
	w.close()
	s, err := store.Open(w.cfg.DB.State())
	must(t, err)
	records, err := s.Unikernels()
	must(t, err)
	for _, r := range records {
		r.MACs = map[string]vm.MAC{"service": mac}
		must(t, s.Put(r))
	}
	must(t, s.Close())
	w.open()
	must(t, w.host.Restart(t.Context(), name(t, "one"), nil))
	cfg := web("br43")
	cfg.Nets[0].MAC = &mac
	wantCode(t, w.create("three", "web", cfg, false), api.InUse, "02:00:00:00:00:01")
	_, err = w.host.Destroy(t.Context(), name(t, "one"))
	must(t, err)
	wantCode(t, w.create("three", "web", cfg, false), api.InUse, `of two`)
	_, err = w.host.Destroy(t.Context(), name(t, "two"))
	must(t, err)
	must(t, w.create("three", "web", cfg, false))
}

// leftover makes a persistent tap, as something that is no part of this project
// may have left it.
func leftover(t *testing.T, name string, mac net.HardwareAddr) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, mac
	must(t, netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP}))
	t.Cleanup(func() { _ = tap.Remove(name) })
	must(t, netlink.LinkSetHardwareAddr(link(t, name), mac))
}

// TestLeftoverTaps starts a daemon where taps are left, some of which are ours.
func TestLeftoverTaps(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br43", "")
	must(t, w.create("www", "web", web("br43"), false))
	w.close()
	ours, others := net.HardwareAddr(hostnet.TapMAC[:]), net.HardwareAddr{2, 0, 0, 0, 0, 9}
	leftover(t, "vmmtap70", ours)
	leftover(t, "vmmtap71", others)
	leftover(t, "solo0", ours)
	leftover(t, "vmmtap72", ours)
	used, err := tap.Create("vmmtap73")
	must(t, err)
	defer used.Close()
	must(t, netlink.LinkSetUp(link(t, "vmmtap72")))
	held, err := tap.Attach("vmmtap72")
	must(t, err)
	defer held.Close()
	w.open()
	w.healthy("www", "br43")
	w.wantEvents(api.EventLeftover, 1, "vmmtap70")
	left := tapNames(t)
	want := []string{w.tapOf("www"), "vmmtap71", "vmmtap72", "vmmtap73"}
	for _, n := range append(want, "solo0") {
		link(t, n) // which fails if it is not there
	}
	if len(left) != len(want) {
		t.Errorf("taps %v are left, want %v", left, want)
	}
}

// TestOldNotes adopts a process whose daemon noted less about its taps.
func TestOldNotes(t *testing.T) {
	taps := decodeTaps(`[{"Interface":"service","Tap":"vmmtap3"}]`)
	record := store.Unikernel{Config: web("br43")}
	ports := recordedPorts(record, taps)
	if len(ports) != 1 || ports[0].bridge != "br43" || ports[0].Index != 0 {
		t.Fatalf("ports are %+v", ports)
	}
	s := hostnet.Survey{
		Bridges: map[string]hostnet.Bridge{"br43": {Name: "br43", Index: 7, MTU: 1500, Up: true}},
		Ports:   map[int]hostnet.Port{9: {Name: "vmmtap3", Index: 9, MTU: 1500, Up: true}},
	}
	if how := ports[0].judge(s); how != orphaned {
		t.Errorf("it stands as %d", how)
	}
	b, err := json.Marshal(Tap{Interface: "service", Tap: "vmmtap3"})
	must(t, err)
	if string(b) != `{"Interface":"service","Tap":"vmmtap3"}` {
		t.Errorf("a note is now %s", b)
	}
}

func TestAddressesOfOneUnikernel(t *testing.T) {
	mac := vm.MAC{2, 0, 0, 0, 0, 1}
	bridge := "br43"
	record := store.Unikernel{Name: name(t, "a"), Config: vm.Config{Arguments: vm.Arguments{Nets: []vm.Net{
		{Name: "x", Bridge: &bridge, MAC: &mac}, {Name: "y", Bridge: &bridge, MAC: &mac}, {Name: "z", MAC: &mac},
	}}}}
	own, err := addressesOf(record)
	if bad, ok := errors.AsType[*api.Error](err); !ok || bad.Code != api.Invalid || !strings.Contains(bad.Sentence, `"x" and "y"`) {
		t.Errorf("error is %v", err)
	}
	if len(own) != 2 || own[address{bridge, mac}] != "x" || own[address{"z", mac}] != "z" {
		t.Errorf("addresses are %v", own)
	}
}

// TestTakenOffStaysOff also when the daemon is restarted: who took it off had a
// reason.
func TestTakenOffStaysOff(t *testing.T) {
	onNetwork(t)
	w := newWorld(t)
	testutil.AddBridge(t, "br44", "")
	must(t, w.create("www", "web", web("br44"), false))
	w.healthy("www", "br44")
	must(t, netlink.LinkSetNoMaster(link(t, w.tapOf("www"))))
	w.problem("www", "taken off")
	w.close()
	w.open()
	w.problem("www", "taken off")
	if m := link(t, w.tapOf("www")).Attrs().MasterIndex; m != 0 {
		t.Errorf("a restart of the daemon has put it on interface %d again", m)
	}
}
