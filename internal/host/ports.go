package host

import (
	"fmt"
	"time"

	"albatross/internal/hostnet"
	"albatross/internal/store"
)

// port is the host's end of a network interface of a run, and what is known of
// it. Only one goroutine at a time looks at ports: see look.
type port struct {
	Tap
	bridge  string // that it is to be on
	home    int    // index of the bridge it was last on or put on; 0: not known
	gone    bool   // that its bridge is gone was told
	problem string // "" if all is well

	unseen time.Time // since when its tap is not seen; zero: it is
}

// ports returns the ports of a unikernel that is being started, and what is
// wrong with them from the beginning.
func (l *launch) ports() (ports []*port, problems []string) {
	for _, d := range l.devices {
		if !d.isNet {
			continue
		}
		p := &port{Tap: d.tap, bridge: d.net.Bridge, home: d.bridge.Index}
		if p.problem = p.weakness(d.bridge, hostnet.Port{Up: true}); p.problem != "" {
			problems = append(problems, p.problem)
		}
		ports = append(ports, p)
	}
	return ports, problems
}

// recordedPorts returns the ports of a unikernel that runs already. Which bridges
// its taps were on is to be seen.
func recordedPorts(record store.Unikernel, taps []Tap) []*port {
	var ports []*port
	for _, t := range taps {
		for _, n := range record.Config.Nets {
			if n.Name == t.Interface {
				ports = append(ports, &port{Tap: t, bridge: n.HostBridge(), home: t.Bridge})
			}
		}
	}
	return ports
}

// standing is how a port stands.
type standing int

const (
	onBridge  standing = iota // where it should be
	noTap                     // its tap is not there
	noBridge                  // its bridge is gone, and it is on none
	elsewhere                 // on another bridge
	takenOff                  // somebody took it off its bridge
	orphaned                  // its bridge is a new one, which it is not on
)

// find returns the tap of p as the survey saw it.
func (p *port) find(s hostnet.Survey) (hostnet.Port, bool) {
	if p.Index == 0 { // noted by a daemon that did not know it
		return s.PortByName(p.Tap.Tap)
	}
	tap, ok := s.Ports[p.Index]
	return tap, ok
}

// judge says how p stands.
//
// A bridge is known by its index, as one that was removed and made again has the
// same name. So a tap is put on a bridge by us at most once: somebody who takes
// it off afterwards is not fought.
func (p *port) judge(s hostnet.Survey) standing {
	tap, exists := p.find(s)
	bridge, there := s.Bridges[p.bridge]
	switch {
	case !exists:
		return noTap
	case there && tap.Master == bridge.Index:
		return onBridge
	case tap.Master != 0:
		return elsewhere
	case !there:
		return noBridge
	case p.home == bridge.Index:
		return takenOff
	}
	return orphaned
}

// weakness says what is wrong with a port that is on its bridge, or "".
func (p *port) weakness(bridge hostnet.Bridge, tap hostnet.Port) string {
	switch {
	case !bridge.Up:
		return fmt.Sprintf("bridge %q is down: interface %q has no network; root brings it up with: ip link set %s up",
			p.bridge, p.Interface, word(p.bridge))
	case !tap.Up:
		return fmt.Sprintf("the host's end of interface %q is down: it has no network; root brings it up with: ip link set %s up",
			p.Interface, word(tap.Name))
	case bridge.MTU < p.MTU:
		return fmt.Sprintf("bridge %q takes packets of at most %d bytes now, and interface %q was told %d: larger ones are lost; "+
			"restart the unikernel, or root sets what it was with: ip link set %s mtu %d",
			p.bridge, bridge.MTU, p.Interface, p.MTU, word(p.bridge), p.MTU)
	}
	return ""
}

// trouble says what is wrong with a port that is not on its bridge.
func (p *port) trouble(how standing, tap hostnet.Port) string {
	switch how {
	case noTap:
		return fmt.Sprintf("the host's end of interface %q, %s, was removed: it has no network until the unikernel is restarted",
			p.Interface, p.Tap.Tap)
	case noBridge:
		return fmt.Sprintf("bridge %q is gone: interface %q has no network; root makes it with: ip link add %s type bridge && ip link set %s up",
			p.bridge, p.Interface, word(p.bridge), word(p.bridge))
	case elsewhere:
		return fmt.Sprintf("interface %q is not on bridge %q but on %q: root moves it with: ip link set %s master %s",
			p.Interface, p.bridge, tap.Bridge, word(tap.Name), word(p.bridge))
	case takenOff:
		return fmt.Sprintf("interface %q was taken off bridge %q and has no network; root puts it back with: ip link set %s master %s",
			p.Interface, p.bridge, word(tap.Name), word(p.bridge))
	}
	return ""
}

// word returns the name of an interface for a command that people may copy.
func word(name string) string {
	if validInterface(name) {
		return name
	}
	return "NAME"
}
