package client

import (
	"context"
	"encoding/json"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Policies lists the policies at and below a path, with full names.
func (c Client) Policies(ctx context.Context, p vm.Path) ([]wire.Named[vm.Policy], error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return nil, err
	}
	defer x.close()
	s, err := x.ask(vm.MakeName(p, ""), wire.PolicyInfo{})
	if err != nil {
		return nil, err
	}
	r, ok := s.(wire.ReplyPolicies)
	if !ok {
		return nil, unexpected(x.service, s)
	}
	for i := range r.Policies {
		r.Policies[i].Name = below(p, r.Policies[i].Name)
	}
	return r.Policies, nil
}

// AddPolicy sets the policy of a path, in the place of one that it may have. It
// returns what the daemon says about it.
func (c Client) AddPolicy(ctx context.Context, p vm.Path, policy vm.Policy) (string, error) {
	return c.text(ctx, vm.MakeName(p, ""), wire.PolicyAdd{Policy: policy})
}

// RemovePolicy removes the policy of a path. It returns what the daemon says
// about it.
func (c Client) RemovePolicy(ctx context.Context, p vm.Path) (string, error) {
	return c.text(ctx, vm.MakeName(p, ""), wire.PolicyRemove{})
}

// PinPolicy sets the policy of a path as one that none from afar replaces. It
// returns what AddPolicy would.
func (c Client) PinPolicy(ctx context.Context, p vm.Path, policy vm.Policy) (string, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return "", err
	}
	defer x.close()
	if !x.knows(api.VerbPin) {
		return "", x.lacks("pin a policy")
	}
	body, err := json.Marshal(api.Pin{Pinned: true, Policy: &policy})
	if err != nil {
		return "", err
	}
	s, err := x.ask(vm.MakeName(p, ""), wire.Private{Verb: api.VerbPin, Body: body})
	if err != nil {
		return "", err
	}
	if _, ok := s.(wire.ReplyPrivate); !ok {
		return "", unexpected(x.service, s)
	}
	return "added policy", nil
}
