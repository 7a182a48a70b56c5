package host

import (
	"context"
	"sync"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/policy"
	"albatross/internal/vm"
)

// mostPolicies is how many policies there may be at and below the first label of a
// path for another one to come from afar: who may delegate could else fill memory and
// disk with delegations to nobody.
const mostPolicies = 1000

// Delegate sets the policies of a chain of certificates, in the order in which that
// has them. They stay until release is called, which may be called again: as long as a
// command relies on them they are not dropped to make room for others.
func (h *Host) Delegate(ctx context.Context, policies []pki.PathPolicy) (release func(), err error) {
	h.rely(policies, 1)
	release = sync.OnceFunc(func() { h.rely(policies, -1) })
	for _, p := range policies {
		if _, err := h.SetPolicy(ctx, p.Path, p.Policy, Afar); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// rely counts one chain more that brings these policies, or fewer.
func (h *Host) rely(policies []pki.PathPolicy, by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range policies {
		if h.relied[p.Path] += by; h.relied[p.Path] == 0 {
			delete(h.relied, p.Path)
		}
	}
}

// makeRoom is called when a policy from afar was added to the tree that is not marked
// as such yet. If those below its
// first label are too many now, it takes away what came from afar and limits nothing,
// and returns that; if all do limit something it fails. What is taken away comes back
// with the next command that relies on it, so nobody is freed of a limit. Host.mu is
// held.
func (h *Host) makeRoom(path vm.Path) (dropped []policy.Entry, err error) {
	top := vm.MakePath(path.Labels()[0])
	all := h.tree.List(top)
	if len(all) <= mostPolicies {
		return nil, nil
	}
	for _, e := range all {
		if h.isIdle(e) {
			dropped = append(dropped, e)
		}
	}
	if len(dropped) == 0 {
		return nil, api.Errorf(api.Resource, "there are %d policies at and below %v already, all of which limit something: no more of them come from afar", mostPolicies, top).
			Hinted("destroy what runs below some of them, or remove some on the host: albatross remove-policy")
	}
	for _, e := range dropped {
		if err := h.tree.Remove(e.Path); err != nil {
			h.log.Error("cannot drop a policy", "path", e.Path, "error", err)
		}
	}
	return dropped, nil
}

// isIdle reports whether a policy came from afar and limits nothing: no unikernel and
// no block device is below it, no command relies on it, and nobody here has set or
// pinned it. Consoles of what has ended count for nothing: how many of them are kept
// was said when they began. Host.mu is held.
func (h *Host) isIdle(e policy.Entry) bool {
	return h.afar[e.Path] && !h.pins[e.Path] && h.relied[e.Path] == 0 && e.Use.Unikernels == 0 && e.Use.Devices == 0
}
