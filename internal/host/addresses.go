package host

import (
	"fmt"
	"maps"

	"albatross/internal/api"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// address is an Ethernet address on a bridge. Two interfaces that have the same
// one take each other's frames, now one, now the other: neither has a network.
type address struct {
	bridge string
	mac    vm.MAC
}

// holder is an interface that has an address.
type holder struct {
	unikernel vm.Name
	net       string // what the unikernel calls it
}

// addresses says who has which address: one holder each, unless records that
// were there before had more.
type addresses struct {
	holders map[address][]holder
	own     map[vm.Name]map[address]string // the same by unikernel, each with its interface
}

func newAddresses() addresses {
	return addresses{holders: map[address][]holder{}, own: map[vm.Name]map[address]string{}}
}

// addressesOf returns the addresses that a unikernel has by its record, each with
// its interface; if an interface has that of another the error says so, and the
// first has it.
func addressesOf(record store.Unikernel) (map[address]string, error) {
	var err error
	own := map[address]string{}
	for _, n := range record.Config.Nets {
		a := address{n.HostBridge(), netMAC(record, n)}
		if first, twice := own[a]; twice {
			err = api.Errorf(api.Invalid, "interfaces %q and %q have the same address %v on bridge %q", first, n.Name, a.mac, a.bridge).
				Hinted("give one of them another: --net %s:%s@MAC", n.Name, a.bridge)
			continue
		}
		own[a] = n.Name
	}
	return own, err
}

// of returns the addresses that n has.
func (t addresses) of(n vm.Name) map[address]string {
	return maps.Clone(t.own[n])
}

// check refuses addresses that others have, but for those that n has as well.
func (t addresses) check(n vm.Name, wanted map[address]string) error {
	for a, net := range wanted {
		if other := t.other(n, a); other != nil {
			return api.Errorf(api.InUse, "interface %q of %s would have the address %v on bridge %q, which is that of interface %q of %s",
				net, n, a.mac, a.bridge, other.net, other.unikernel).
				Hinted("give it another address (--net %s:%s@MAC) or another bridge, or destroy %s", net, a.bridge, other.unikernel)
		}
	}
	return nil
}

// other returns who has a instead of n, or nil.
func (t addresses) other(n vm.Name, a address) *holder {
	var other *holder
	for _, h := range t.holders[a] {
		if h.unikernel == n {
			return nil
		}
		if other == nil {
			other = &h
		}
	}
	return other
}

// take gives n addresses, and says whom else it shares them with.
func (t addresses) take(n vm.Name, wanted map[address]string) (shared []string) {
	for a, net := range wanted {
		if other := t.other(n, a); other != nil {
			shared = append(shared, fmt.Sprintf("interface %q has the address %v on bridge %q, as has interface %q of %s",
				net, a.mac, a.bridge, other.net, other.unikernel))
		}
		t.drop(n, map[address]string{a: net}, nil) // its interface may have another name now
		t.holders[a] = append(t.holders[a], holder{n, net})
		if t.own[n] == nil {
			t.own[n] = map[address]string{}
		}
		t.own[n][a] = net
	}
	return shared
}

// drop takes addresses from n, but those to keep.
func (t addresses) drop(n vm.Name, own, keep map[address]string) {
	for a := range own {
		if _, kept := keep[a]; kept {
			continue
		}
		var others []holder
		for _, h := range t.holders[a] {
			if h.unikernel != n {
				others = append(others, h)
			}
		}
		if t.holders[a] = others; len(others) == 0 {
			delete(t.holders, a)
		}
		delete(t.own[n], a)
	}
	if len(t.own[n]) == 0 {
		delete(t.own, n)
	}
}

// restoreAddresses enters the addresses of a recorded unikernel. Host.mu is held.
func (h *Host) restoreAddresses(record store.Unikernel) {
	own, err := addressesOf(record)
	if err != nil {
		h.log.Warn("an address is used twice; that is kept", "unikernel", record.Name, "error", err)
	}
	for _, s := range h.addresses.take(record.Name, own) {
		h.log.Warn("an address is used twice; that is kept", "unikernel", record.Name, "reason", s)
	}
}
