package clienttest

import (
	"cmp"
	"slices"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// SetPolicy gives a path a policy.
func (h *Host) SetPolicy(p vm.Path, policy vm.Policy) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.policies[p] = policy
}

// policy serves one command about policies. The caller holds mu.
func (h *Host) policy(p *Peer, m wire.Message) wire.Payload {
	path := m.Name.Path()
	switch c := m.Payload.(type) {
	case wire.PolicyAdd:
		if old, ok := h.policies[path]; ok && old.Equal(c.Policy) {
			return wire.ReplyText{Text: "no modification of policy"}
		}
		for above := path; !above.IsRoot(); {
			above = above.Parent()
			limit, ok := h.policies[above]
			if err := c.Policy.FitsIn(limit); ok && err != nil {
				return p.Refuse(api.Errorf(api.Policy, "%w", err))
			}
		}
		h.policies[path] = c.Policy
		return wire.ReplyText{Text: "added policy"}
	case wire.PolicyRemove:
		if _, ok := h.policies[path]; !ok {
			return p.Refuse(api.Errorf(api.NotFound, "unknown policy"))
		}
		delete(h.policies, path)
		return wire.ReplyText{Text: "removed policy"}
	}
	var r wire.ReplyPolicies
	for at, policy := range h.policies {
		if relative, ok := at.RelativeTo(path); ok {
			r.Policies = append(r.Policies, wire.Named[vm.Policy]{Name: vm.MakeName(relative, ""), Value: policy})
		}
	}
	slices.SortFunc(r.Policies, func(a, b wire.Named[vm.Policy]) int { return cmp.Compare(a.Name.Wire(), b.Name.Wire()) })
	return r
}

// uses tells of the policies that apply to n and of those below it, by path. The
// caller holds mu.
func (h *Host) uses(n vm.Name) []api.PolicyUse {
	var all []api.PolicyUse
	for path, limits := range h.policies {
		if !path.Contains(n.Path()) && !n.Contains(vm.MakeName(path, "")) {
			continue
		}
		u := api.PolicyUse{Path: path, Limits: limits}
		for _, k := range h.state.Unikernels {
			if path.Contains(k.Name.Path()) {
				u.Use.Unikernels++
				u.Use.Memory += k.Info.Memory
			}
		}
		for name, b := range h.blocks {
			if path.Contains(name.Path()) {
				u.Use.Block += b.Size
			}
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b api.PolicyUse) int { return cmp.Compare(a.Path.Wire(), b.Path.Wire()) })
	return all
}

// placed returns where the unikernel n runs that wants these CPUs: if it wants
// none, on the CPU that the fewest others have, of 0 and 1 or those of the nearest
// policy. The caller holds mu.
func (h *Host) placed(n vm.Name, wanted vm.Set[int]) vm.Set[int] {
	if len(wanted) > 0 {
		return wanted
	}
	allowed, runs := vm.MakeSet(0, 1), map[int]int{}
	for path, near := n.Path(), false; !near; path = path.Parent() {
		if p, ok := h.policies[path]; ok {
			allowed, near = p.CPUs, true
		}
		near = near || path.IsRoot()
	}
	for _, u := range h.state.Unikernels {
		if u.Name == n {
			continue
		}
		for _, id := range u.Info.CPUs {
			runs[id]++
		}
	}
	return vm.MakeSet(slices.MinFunc(allowed, func(a, b int) int { return cmp.Compare(runs[a], runs[b]) }))
}
