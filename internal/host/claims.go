package host

import (
	"errors"
	"syscall"

	"albatross/internal/api"
	"albatross/internal/policy"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// claim is what a unit is about to use of the host: its share of the policies,
// its block devices, its addresses. It is made before anything is done, so that
// operations which run beside each other cannot promise the same thing twice.
type claim struct {
	host    *Host
	name    vm.Name
	share   *policy.Replacement
	devices map[vm.Name]bool // that the unit has asked for
	before  map[vm.Name]bool // that the unit it replaces has
	wanted  map[address]string
	had     map[address]string // by the unit it replaces
}

// wish returns a claim to what a unikernel with this record uses that is not made yet.
func (h *Host) wish(record store.Unikernel) (*claim, error) {
	a := record.Config.Arguments
	devices, err := deviceNames(record.Name, a)
	if err != nil {
		return nil, api.Errorf(api.Invalid, "%w", err)
	}
	wanted, err := addressesOf(record)
	if err != nil {
		return nil, err
	}
	if err := h.refreshBridges(a); err != nil {
		return nil, err
	}
	return &claim{host: h, name: record.Name, devices: devices, before: map[vm.Name]bool{}, wanted: wanted}, nil
}

// available says whether others have devices or addresses that are wished for.
// Host.mu is held.
func (c *claim) available() error {
	for d := range c.devices {
		if owner, used := c.host.devices[d]; used && owner != c.name {
			return api.Errorf(api.InUse, "block device %s is in use by %s", d, owner).
				Hinted("a block device can be used by one unikernel at a time")
		}
	}
	return c.host.addresses.check(c.name, c.wanted)
}

// place gives arguments without CPUs those that are least used. Host.mu is held.
func (h *Host) place(n vm.Name, a *vm.Arguments) (err error) {
	if len(a.CPUs) > 0 {
		return nil
	}
	a.CPUs, err = h.tree.Place(n, a.NumCPUs)
	return policyError(err)
}

// claim claims what a unikernel with this record uses, in place of what one of
// that name has. Until the claim is settled both can be started. Arguments
// without CPUs get those that are least used.
func (h *Host) claim(record *store.Unikernel) (*claim, error) {
	c, err := h.wish(*record)
	if err != nil {
		return nil, err
	}
	n, a := record.Name, &record.Config.Arguments
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := c.available(); err != nil {
		return nil, err
	}
	if err := h.place(n, a); err != nil {
		return nil, err
	}
	c.had = h.addresses.of(n)
	if c.share, err = h.tree.ReplaceUnikernel(n, policy.DemandOf(*a)); err != nil {
		return nil, policyError(err)
	}
	for d, owner := range h.devices {
		if owner == n {
			c.before[d] = true
		}
	}
	for d := range c.devices {
		h.devices[d] = n
	}
	h.addresses.take(n, c.wanted)
	return c, nil
}

// deviceNames returns the block devices that n means by its arguments.
func deviceNames(n vm.Name, a vm.Arguments) (map[vm.Name]bool, error) {
	devices := map[vm.Name]bool{}
	for _, b := range a.Blocks {
		d, err := n.Block(b.HostDevice())
		if err != nil {
			return nil, err
		}
		if devices[d] {
			return nil, errors.New("block device " + d.String() + " is given twice")
		}
		devices[d] = true
	}
	return devices, nil
}

// done leaves the unikernel what it claimed. Host.mu is held.
func (c *claim) done() {
	c.share.Done()
	c.drop(c.before, c.devices)
	c.host.addresses.drop(c.name, c.had, c.wanted)
}

// undo leaves the unikernel what it had.
func (c *claim) undo() {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	c.share.Undo()
	c.drop(c.devices, c.before)
	c.host.addresses.drop(c.name, c.wanted, nil)
	c.host.addresses.take(c.name, c.had)
}

// drop gives back devices but those to keep. Host.mu is held.
func (c *claim) drop(devices, keep map[vm.Name]bool) {
	for d := range devices {
		if !keep[d] && c.host.devices[d] == c.name {
			delete(c.host.devices, d)
		}
	}
}

// restoreClaim enters what a recorded unikernel uses, and says what that exceeds.
// Host.mu is held.
func (h *Host) restoreClaim(record store.Unikernel) []*policy.Error {
	n, a := record.Name, record.Config.Arguments
	devices, err := deviceNames(n, a)
	if err != nil {
		h.log.Warn("a record has strange block devices", "unikernel", n, "error", err)
	}
	for d := range devices {
		h.devices[d] = n
	}
	h.restoreAddresses(record)
	return h.tree.RestoreUnikernel(n, policy.DemandOf(a))
}

// releaseClaim gives back all that a unikernel uses. Host.mu is held.
func (h *Host) releaseClaim(n vm.Name) {
	_ = h.tree.ReleaseUnikernel(n) // it has nothing where a claim was undone
	for d, owner := range h.devices {
		if owner == n {
			delete(h.devices, d)
		}
	}
	h.addresses.drop(n, h.addresses.of(n), nil)
}

// recordError tells a client about a record that cannot be written.
func recordError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return (&api.Error{Code: api.Resource, Sentence: "there is no space left on the disk for the records of albatrossd", Err: err}).
			Hinted("free some on the file system of albatrossd's --dbdir")
	}
	return err
}

// policyError tells a client which policy does not allow something.
func policyError(err error) error {
	if refused, ok := errors.AsType[*policy.Error](err); ok {
		return (&api.Error{Code: api.Policy, Sentence: refused.Error(), Err: err}).
			Hinted("albatross policy shows what is allowed and what is in use")
	}
	switch {
	case errors.Is(err, policy.ErrNotFound):
		return api.Errorf(api.NotFound, "%w", err)
	case errors.Is(err, policy.ErrInvalid):
		return api.Errorf(api.Invalid, "%w", err)
	}
	return err
}
