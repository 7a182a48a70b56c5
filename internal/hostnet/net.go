package hostnet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// Net is a view of the host's network. Its methods may be called from several
// goroutines.
type Net struct {
	route *routeSocket
	taps  atomic.Uint32 // the number to try for the next tap
}

// Open opens the host's network: that of the network namespace which the
// calling thread is in. Making taps needs CAP_NET_ADMIN, the rest nothing.
func Open() (*Net, error) {
	route, err := openRoute()
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	return &Net{route: route}, nil
}

// Close closes the netlink socket. Taps stay. It must be the last call.
func (n *Net) Close() error {
	n.route.close()
	return nil
}

// Bridge is one of the host's bridges.
type Bridge struct {
	Name  string
	Index int  // the kernel's number for the interface, never used twice
	MTU   int  // in bytes; what taps on it get
	Up    bool // one that is not carries no frames, but takes ports
}

// bridge returns l, which is one, as other packages see it.
func (l link) bridge() Bridge {
	return Bridge{Name: l.name, Index: l.index, MTU: l.mtu, Up: l.up}
}

// MaxPorts is how many interfaces fit on a bridge (BR_MAX_PORTS of Linux'
// net/bridge/br_private.h, less the number 0).
const MaxPorts = 1023

// Bridges returns all bridges, sorted by name.
func (n *Net) Bridges() ([]Bridge, error) {
	links, err := n.route.links(filter{kind: kindBridge})
	if err != nil {
		return nil, fmt.Errorf("list bridges: %w", err)
	}
	bridges := make([]Bridge, 0, len(links))
	for _, l := range links {
		bridges = append(bridges, l.bridge())
	}
	slices.SortFunc(bridges, func(a, b Bridge) int { return strings.Compare(a.Name, b.Name) })
	return bridges, nil
}

// Bridge returns the bridge called name. The error is a *BridgeError around
// ErrNoBridge or ErrNotBridge if there is none.
func (n *Net) Bridge(name string) (Bridge, error) {
	l, err := n.findBridge(name)
	if err != nil {
		return Bridge{}, err
	}
	return l.bridge(), nil
}

// Ports returns how many interfaces are attached to a bridge, at most MaxPorts.
// The kernel keeps no such number, so this lists them, which takes some
// milliseconds on a bridge that is nearly full: nothing to do for every tap.
func (n *Net) Ports(bridge Bridge) (int, error) {
	links, err := n.route.links(filter{master: bridge.Index})
	if err != nil {
		return 0, fmt.Errorf("count ports of bridge %q: %w", bridge.Name, err)
	}
	return len(links), nil
}

// findBridge looks up one interface and insists that it is a bridge.
func (n *Net) findBridge(name string) (link, error) {
	if name == "" || len(name) > maxName || strings.ContainsRune(name, 0) {
		return link{}, n.unusable(name, ErrNoBridge)
	}
	l, err := n.route.link(name)
	switch {
	case errors.Is(err, syscall.ENODEV):
		return link{}, n.unusable(name, ErrNoBridge)
	case err != nil:
		return link{}, fmt.Errorf("look up bridge %q: %w", name, err)
	case l.name != name:
		// The kernel also looks at alternative names. Policies know only the
		// real one, so another spelling must not lead to the same bridge.
		return link{}, n.unusable(name, ErrNoBridge)
	case l.kind != kindBridge:
		return link{}, n.unusable(name, ErrNotBridge)
	}
	return l, nil
}

// unusable makes the error for a bridge that cannot be used, with a list of
// those that can.
func (n *Net) unusable(name string, reason error) error {
	failed := &BridgeError{Bridge: name, Err: reason}
	links, err := n.route.links(filter{kind: kindBridge})
	if err != nil {
		return errors.Join(failed, fmt.Errorf("list bridges: %w", err))
	}
	for _, l := range links {
		failed.Have = append(failed.Have, l.name)
	}
	slices.Sort(failed.Have)
	return failed
}
