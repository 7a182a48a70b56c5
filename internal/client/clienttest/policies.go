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
