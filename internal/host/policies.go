package host

import (
	"context"
	"errors"
	"fmt"

	"albatross/internal/api"
	"albatross/internal/hostnet"
	"albatross/internal/linux"
	"albatross/internal/policy"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// Policies returns the policies at and below a path. The root's is what the host
// has now.
func (h *Host) Policies(path vm.Path) ([]policy.Entry, error) {
	if err := h.refreshRoot(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tree.List(path), nil
}

// Origin says who sets a policy.
type Origin int

// The origins.
const (
	Here   Origin = iota // somebody on this host
	Pinned               // the same, who wants that none from afar replaces it
	Afar                 // a chain of certificates
)

// SetPolicy sets the policy of a path and reports whether that changed anything.
// A change is durable when it returns. One from afar does not replace one that is
// pinned, and where there are too many of those already it is refused. As with
// Albatross, whether the policy is of use to anyone is for those to ask who make it.
func (h *Host) SetPolicy(ctx context.Context, path vm.Path, p vm.Policy, from Origin) (changed bool, err error) {
	defer func() { h.Refused(ctx, "add-policy", vm.MakeName(path, ""), err) }()
	h.policies.Lock()
	defer h.policies.Unlock()
	c, err := h.changePolicy(path, p, from)
	if err != nil {
		return false, policyError(err)
	}
	if c == nil {
		return false, nil
	}
	if err := h.store.PutPolicy(c.PolicyChange); err != nil {
		h.revertPolicy(c)
		return false, recordError(err)
	}
	h.markPolicy(c)
	h.cfg.Steps.Done("policy written")
	for _, e := range c.dropped {
		h.done(ctx, api.EventPolicyRemoved, vm.MakeName(e.Path, ""), "it came from afar and limited nothing")
	}
	if !c.changed && !c.Pin {
		return false, nil
	}
	h.log.InfoContext(ctx, "policy set", "path", path, "pinned", c.pinned, "dropped", len(c.dropped))
	h.done(ctx, api.EventPolicySet, vm.MakeName(path, ""), limits(p))
	return true, nil
}

// policyChange is a policy that was set in the tree and is to be recorded.
type policyChange struct {
	store.PolicyChange
	changed bool // the policy itself
	pinned  bool // it is, or is going to be
	before  vm.Policy
	had     bool           // there was one before
	dropped []policy.Entry // policies that were removed to make room
}

// changePolicy sets a policy in the tree. It returns nil if nothing is to be recorded.
func (h *Host) changePolicy(path vm.Path, p vm.Policy, from Origin) (*policyChange, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if from == Afar && h.pins[path] {
		return nil, nil
	}
	c := &policyChange{PolicyChange: store.PolicyChange{
		Path: path, Policy: p, Pin: from == Pinned && !h.pins[path], Afar: from == Afar,
	}}
	c.pinned = c.Pin || h.pins[path]
	c.before, c.had = h.tree.Policy(path)
	var err error
	if c.changed, err = h.tree.Add(path, p); err != nil {
		return nil, err
	}
	claimed := from != Afar && h.afar[path] // by somebody on this host
	if !c.changed && !c.Pin && !claimed {
		return nil, nil
	}
	if from == Afar && !c.had {
		if c.dropped, err = h.makeRoom(path); err != nil {
			return nil, errors.Join(err, h.tree.Remove(path))
		}
	}
	for _, e := range c.dropped {
		c.Drop = append(c.Drop, e.Path)
	}
	return c, nil
}

// markPolicy notes what was recorded with a policy.
func (h *Host) markPolicy(c *policyChange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.Pin {
		h.pins[c.Path] = true
	}
	delete(h.afar, c.Path)
	if c.Afar {
		h.afar[c.Path] = true
	}
	for _, path := range c.Drop {
		delete(h.afar, path)
	}
}

func (h *Host) setPin(path vm.Path, pinned bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if pinned {
		h.pins[path] = true
	} else {
		delete(h.pins, path)
	}
}

// RemovePolicy removes the policy of a path.
func (h *Host) RemovePolicy(ctx context.Context, path vm.Path) (err error) {
	defer func() { h.Refused(ctx, "remove-policy", vm.MakeName(path, ""), err) }()
	h.policies.Lock()
	defer h.policies.Unlock()
	h.mu.Lock()
	before, had := h.tree.Policy(path)
	err = h.tree.Remove(path)
	h.mu.Unlock()
	if err != nil {
		return policyError(err)
	}
	c := &policyChange{PolicyChange: store.PolicyChange{Path: path}, before: before, had: had}
	if err := h.store.DeletePolicy(path); err != nil {
		h.revertPolicy(c)
		return recordError(err)
	}
	h.setPin(path, false)
	h.markPolicy(c)
	h.cfg.Steps.Done("policy deleted")
	h.log.InfoContext(ctx, "policy removed", "path", path)
	h.done(ctx, api.EventPolicyRemoved, vm.MakeName(path, ""), "")
	return nil
}

// Pin makes the policy of a path one that certificates do not replace, or undoes
// that. It is durable when it returns.
func (h *Host) Pin(path vm.Path, pinned bool) error {
	h.policies.Lock()
	defer h.policies.Unlock()
	h.mu.Lock()
	_, there := h.tree.Policy(path)
	h.mu.Unlock()
	if !there || path.IsRoot() {
		return api.Errorf(api.NotFound, "there is no policy at %v", path).Hinted("set one with albatross add-policy --pin")
	}
	change := h.store.DeletePin
	if pinned {
		change = h.store.PutPin
	}
	if err := change(path); err != nil {
		return recordError(err)
	}
	h.setPin(path, pinned)
	h.cfg.Steps.Done("pin written")
	return nil
}

// revertPolicy puts back what the tree had, after a change that is not durable.
func (h *Host) revertPolicy(c *policyChange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range c.dropped {
		h.tree.Restore(e.Path, e.Policy)
	}
	if c.had {
		h.tree.Restore(c.Path, c.before)
		return
	}
	if err := h.tree.Remove(c.Path); err != nil {
		h.log.Error("cannot undo a policy", "path", c.Path, "error", err)
	}
}

// restorePolicies enters the recorded policies.
func (h *Host) restorePolicies() error {
	policies, err := h.store.Policies()
	if err != nil {
		return err
	}
	pins, err := h.store.Pins()
	if err != nil {
		return err
	}
	afar, err := h.store.Afar()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pins, h.afar = pins, afar
	for path, p := range policies {
		if path.IsRoot() {
			continue // of the host as it was
		}
		for _, e := range h.tree.Restore(path, p) {
			h.log.Warn("a policy exceeds what is there; it is kept", "path", path, "reason", e)
		}
	}
	return nil
}

// rootUnikernels is how many unikernels a host may run, as far as policies go;
// Albatross's number.
const rootUnikernels = 1<<62 - 1

// discover returns the policy of the root: what this host has.
func (h *Host) discover() (vm.Policy, error) {
	memory, err := linux.MemoryBytes()
	if err != nil {
		return vm.Policy{}, fmt.Errorf("finding out what this host has: %w", err)
	}
	disk, err := linux.DiskBytes(string(h.cfg.DB))
	if err != nil {
		return vm.Policy{}, fmt.Errorf("finding out what this host has: %w", err)
	}
	bridges, err := h.net.Bridges()
	if err != nil {
		return vm.Policy{}, fmt.Errorf("finding out what this host has: %w", err)
	}
	block := int(disk >> 20)
	return vm.Policy{
		Unikernels: rootUnikernels, CPUs: h.cpus, Memory: int(memory >> 20), Block: &block, Bridges: bridgeNames(bridges),
	}, nil
}

func bridgeNames(bridges []hostnet.Bridge) vm.Set[string] {
	names := make([]string, len(bridges))
	for i, b := range bridges {
		names[i] = b.Name
	}
	return vm.MakeSet(names...)
}

// refreshRoot looks at the host again. What was seen last is what counts.
func (h *Host) refreshRoot() error {
	h.looking.Lock()
	defer h.looking.Unlock()
	root, err := h.discover()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tree.SetRoot(root)
	return nil
}

// refreshBridges looks at the host again if a bridge is wanted that it had not
// when it was last looked at.
func (h *Host) refreshBridges(a vm.Arguments) error {
	wanted := policy.DemandOf(a).Bridges
	h.mu.Lock()
	unknown := wanted.Without(h.tree.Root().Bridges)
	h.mu.Unlock()
	if len(unknown) == 0 {
		return nil
	}
	return h.refreshRoot()
}
