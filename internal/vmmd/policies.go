package vmmd

import (
	"encoding/json"

	"albatross/internal/api"
	"albatross/internal/host"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// policies answers with the policies at and below a path, their names relative
// to it.
func (x *exchange) policies(n vm.Name) (wire.Payload, error) {
	all, err := x.host.Policies(n.Path())
	if err != nil {
		return nil, err
	}
	reply := wire.ReplyPolicies{}
	for _, e := range all {
		path, _ := e.Path.RelativeTo(n.Path())
		reply.Policies = append(reply.Policies, wire.Named[vm.Policy]{Name: vm.MakeName(path, ""), Value: e.Policy})
	}
	return reply, nil
}

func (x *exchange) addPolicy(n vm.Name, p vm.Policy) (wire.Payload, error) {
	path, err := pathOf(n)
	if err != nil {
		return nil, err
	}
	changed, err := x.host.SetPolicy(x.ctx, path, p, host.Here)
	if err != nil {
		return nil, err
	}
	x.more = true
	if !changed {
		return wire.ReplyText{Text: "no modification of policy"}, nil
	}
	return wire.ReplyText{Text: "added policy"}, nil
}

func (x *exchange) removePolicy(n vm.Name) (wire.Payload, error) {
	path, err := pathOf(n)
	if err != nil {
		return nil, err
	}
	if err := x.host.RemovePolicy(x.ctx, path); err != nil {
		return nil, err
	}
	return wire.ReplyText{Text: "removed policy"}, nil
}

// pathOf returns the path that a policy is at. Albatross takes no notice of a last
// label; to set or remove the policy of another path than was named is worse than
// to refuse.
func pathOf(n vm.Name) (vm.Path, error) {
	if !n.IsPath() {
		return vm.Path{}, api.Errorf(api.Invalid, "%s names a unikernel: a policy is at a path", n).
			Hinted("a path ends in a colon: %s:", n.Wire())
	}
	return n.Path(), nil
}

// pin pins the policy of a path, or undoes that.
func (x *exchange) pin(n vm.Name, body []byte) (wire.Payload, error) {
	path, err := pathOf(n)
	if err != nil {
		return nil, err
	}
	var wanted api.Pin
	if err := json.Unmarshal(body, &wanted); err != nil {
		return nil, api.Errorf(api.Invalid, "pin-policy: %w", err)
	}
	if wanted.Policy != nil && wanted.Pinned {
		_, err = x.host.SetPolicy(x.ctx, path, *wanted.Policy, host.Pinned)
	} else {
		err = x.host.Pin(path, wanted.Pinned)
	}
	if err != nil {
		return nil, err
	}
	return wire.ReplyPrivate{}, nil
}
