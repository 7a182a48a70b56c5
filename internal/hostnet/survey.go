package hostnet

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Survey is how the host's bridges and our taps stand at one instant.
type Survey struct {
	Bridges map[string]Bridge // by name
	Ports   map[int]Port      // our taps, by index
}

// Port is the state of a tap of ours, whoever has its descriptor.
type Port struct {
	Name   string
	Index  int    // the kernel's number for the interface, never used twice
	MTU    int    // bytes
	Master int    // index of the bridge it is on; 0: of none
	Bridge string // name of that bridge; "" if it is on none, or on no bridge
	Up     bool
}

// Survey looks at the whole network. It returns no half of it: on a host where
// interfaces come and go all the time it may fail, and is to be called again.
func (n *Net) Survey() (Survey, error) {
	links, err := n.route.allLinks(filter{})
	switch {
	case errors.Is(err, netlink.ErrDumpInterrupted):
		return Survey{}, fmt.Errorf("list interfaces: they change too fast: %w", err)
	case err != nil:
		return Survey{}, fmt.Errorf("list interfaces: %w", err)
	}
	s := Survey{Bridges: map[string]Bridge{}, Ports: map[int]Port{}}
	names := map[int]string{}
	for _, l := range links {
		if l.kind == kindBridge {
			s.Bridges[l.name] = l.bridge()
			names[l.index] = l.name
		}
	}
	for _, l := range links {
		if l.ours() {
			s.Ports[l.index] = Port{Name: l.name, Index: l.index, MTU: l.mtu, Master: l.master, Bridge: names[l.master], Up: l.up}
		}
	}
	return s, nil
}

// PortByName returns our tap of that name.
func (s Survey) PortByName(name string) (Port, bool) {
	for _, p := range s.Ports {
		if p.Name == name {
			return p, true
		}
	}
	return Port{}, false
}

// Attach puts a tap of ours that is on no bridge on one again, with the MTU of
// the bridge, and sets it up. Both are found by their indexes: a name may mean
// another interface by now. What is not a tap made by CreateTap is refused
// (ErrNotOurs), as is one that is on another bridge (ErrOnOther); one that is on
// this bridge already is left as it is.
func (n *Net) Attach(port Port, bridge Bridge) error {
	if err := n.reattach(port, bridge); err != nil {
		return fmt.Errorf("attach %s to bridge %s: %w", port.Name, bridge.Name, err)
	}
	return nil
}

func (n *Net) reattach(port Port, bridge Bridge) error {
	if port.Index <= 0 || bridge.Index <= 0 {
		return syscall.ENODEV // 0 would leave it to the name, of which there is none
	}
	l, err := n.route.linkAt(port.Index)
	switch {
	case err != nil:
		return err
	case !l.ours():
		return ErrNotOurs
	case l.master == bridge.Index:
		return nil
	case l.master != 0:
		return ErrOnOther
	}
	c := change{master: bridge.Index, up: true}
	if l.mtu != bridge.MTU {
		c.mtu = bridge.MTU
	}
	err = n.route.changeAt(port.Index, c)
	if errors.Is(err, syscall.EXFULL) {
		return &BridgeError{Bridge: bridge.Name, Err: ErrBridgeFull}
	}
	return err
}
