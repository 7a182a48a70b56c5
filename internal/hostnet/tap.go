package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"albatross/internal/tap"
)

// tapPrefix and a number make the name of a tap. Albatross 2.7 uses the same,
// and administrators have firewall rules that match it.
const tapPrefix = "vmmtap"

// tapNumbers is how many names of taps there are: more than interfaces in any
// kernel, and short enough for IFNAMSIZ.
const tapNumbers = 1_000_000_000

// TapMAC is the MAC address of the host's end of every tap: the highest unicast
// address there is, so that a bridge prefers that of any other port.
var TapMAC = [6]byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}

// Tap is a tap on a bridge. The embedded Device has its name, MTU and the
// descriptor to pass to the unikernel. Close closes the descriptor; the tap
// vanishes once the unikernel's is closed as well.
//
// Whoever closes the last descriptor waits for some 20 ms while the kernel makes
// sure that nobody uses the interface. Closing many at a time costs little
// more than closing one. A daemon that keeps its descriptor until it has reaped
// the unikernel takes that wait off the unikernel's exit, and can start it
// again with the same tap.
type Tap struct {
	tap.Device
	Bridge Bridge // that it was attached to, as it was then
}

// CreateTap makes a tap with a name of its own (vmmtap0, vmmtap1, …), attaches it to the bridge and sets it up. If any step fails nothing is left.
// If the bridge cannot be used the error is a *BridgeError.
func (n *Net) CreateTap(bridge string) (*Tap, error) {
	master, err := n.findBridge(bridge)
	if err != nil {
		return nil, fmt.Errorf("create tap: %w", err)
	}
	dev, err := n.newTap()
	if err != nil {
		return nil, err
	}
	if err := n.attach(dev, master); err != nil {
		return nil, errors.Join(fmt.Errorf("attach %s to bridge %s: %w", dev.Name, bridge, err), dev.Close())
	}
	dev.MTU = master.mtu
	return &Tap{Device: *dev, Bridge: master.bridge()}, nil
}

// newTap makes a tap with the next name that is free. The kernel would choose one
// too, for "vmmtap%d", but looks at the names of all interfaces each time: for half
// a millisecond where there are a thousand. One that was used recently is not used
// again soon, so that nobody takes the counters of a tap for those of another.
func (n *Net) newTap() (*tap.Device, error) {
	for {
		number := (n.taps.Add(1) - 1) % tapNumbers
		dev, err := tap.Create(tapPrefix + strconv.FormatUint(uint64(number), 10))
		if !errors.Is(err, fs.ErrExist) {
			return dev, err
		}
	}
}

// attach makes dev a port of the bridge master.
func (n *Net) attach(dev *tap.Device, master link) error {
	port := change{address: TapMAC[:], master: master.index, up: true}
	if dev.MTU != master.mtu {
		port.mtu = master.mtu
	}
	if err := disableIPv6(dev.Name); err != nil {
		// A read-only /proc/sys, as in many sandboxes, leaves a way that stops
		// all but the reports of a host that routes IPv6.
		fallback := n.route.change(dev.Name, change{noAddresses: true})
		if fallback != nil && !errors.Is(fallback, syscall.EAFNOSUPPORT) {
			return fmt.Errorf("turn IPv6 off: %w", errors.Join(err, fallback))
		}
	}
	err := n.route.changeAt(dev.Index, port)
	if errors.Is(err, syscall.EXFULL) {
		return &BridgeError{Bridge: master.name, Err: ErrBridgeFull}
	}
	return err
}

// disableIPv6 keeps IPv6 from starting on an interface that is down. A kernel
// without IPv6 has no such file.
func disableIPv6(name string) error {
	f, err := os.OpenFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString("1")
	return errors.Join(err, f.Close())
}

// Leftovers returns the names of taps that belong to nobody any more, in the
// order of their indexes: named as ours, with TapMAC, persistent, and without a
// process attached. CreateTap makes none that could stay behind by itself; one
// does once somebody has made it persistent ("ip tuntap add" with its name does
// that too). What was given another address, as by "ip tuntap add" alone, is not
// ours whatever its name.
//
// A persistent tap that somebody is about to use looks the same, so this is for
// a start of the daemon, not for later.
func (n *Net) Leftovers() ([]string, error) {
	links, err := n.route.links(filter{kind: kindTun})
	if err != nil {
		return nil, fmt.Errorf("list taps: %w", err)
	}
	var names []string
	for _, l := range links {
		if l.ours() && l.persistent && !l.carrier {
			names = append(names, l.name)
		}
	}
	return names, nil
}

// RemoveTap removes a tap that Leftovers returned. It refuses one that a process
// is attached to (tap.ErrBusy), and one that is not ours (ErrNotOurs); where
// there is none the error is tap.ErrNotFound.
func (n *Net) RemoveTap(name string) error {
	if !isTapName(name) {
		return fmt.Errorf("remove tap %q: %w", name, ErrNotOurs)
	}
	l, err := n.route.link(name)
	switch {
	case errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("remove tap %q: %w", name, tap.ErrNotFound)
	case err != nil:
		return fmt.Errorf("remove tap %q: %w", name, err)
	case !l.ours():
		return fmt.Errorf("remove tap %q: %w", name, ErrNotOurs)
	}
	return tap.Remove(name)
}

// ours reports whether l is a tap such as CreateTap makes. Those of another
// project may have the same names, but not the address too.
func (l link) ours() bool {
	return l.tap && isTapName(l.name) && l.address == string(TapMAC[:])
}

// isTapName reports whether name is what the kernel makes of "vmmtap%d".
func isTapName(name string) bool {
	number, ok := strings.CutPrefix(name, tapPrefix)
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(number, 10, 31)
	return err == nil && strconv.FormatUint(n, 10) == number
}
