package client

import (
	"context"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// State tells all that the daemon knows of a unikernel, or of all below n if
// that is a path, with full names. An Albatross 2.7 daemon knows less: what it
// lists is running, and phases, processes, restarts and past ends are unknown.
func (c Client) State(ctx context.Context, n vm.Name) (api.State, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return api.State{}, err
	}
	defer x.close()
	if x.knows(api.VerbState) {
		var s api.State
		return s, x.private(n, api.VerbState, &s)
	}
	infos, err := x.info(n)
	if err != nil {
		return api.State{}, err
	}
	s := api.State{Unikernels: make([]api.Unikernel, len(infos))}
	for i, u := range infos {
		s.Unikernels[i] = api.Unikernel{Name: u.Name, Phase: api.PhaseRunning, Started: u.Value.Started, Info: u.Value}
	}
	return s, nil
}

// info asks by Albatross's command, and makes the names full that it gives
// relative to a path.
func (x *session) info(n vm.Name) ([]wire.Named[vm.Info], error) {
	s, err := x.ask(n, wire.UnikernelInfo{})
	if err != nil {
		return nil, err
	}
	r, ok := s.(wire.ReplyInfo)
	if !ok {
		return nil, unexpected(x.service, s)
	}
	for i := range r.Unikernels {
		r.Unikernels[i].Name = x.asked(n, r.Unikernels[i].Name)
	}
	return r.Unikernels, nil
}

// asked returns the full name, as one types it, of what a reply about of calls
// got: a name relative to of if that is a path, else one that on a remote host
// begins with the path of the certificates.
func (x *session) asked(of, got vm.Name) vm.Name {
	if of.IsPath() {
		return below(of.Path(), got)
	}
	return x.own(got)
}

// own leaves the path of the certificates out of a full name.
func (x *session) own(n vm.Name) vm.Name {
	if short, ok := n.RelativeTo(x.home); ok {
		return short
	}
	return n
}

// below returns the full name of one that is relative to p.
func below(p vm.Path, n vm.Name) vm.Name {
	for _, l := range n.Path().Labels() {
		p = p.Append(l)
	}
	return vm.MakeName(p, n.Label())
}
