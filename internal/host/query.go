package host

import (
	"context"
	"os"
	"slices"
	"strings"

	"albatross/internal/api"
	"albatross/internal/lifecycle"
	"albatross/internal/vm"
)

// phases are the names that the api has for phases. A unit that is gone is
// still in the table only while the host goes down or a replacement starts.
var phases = map[lifecycle.Phase]string{
	lifecycle.Starting: api.PhaseStarting,
	lifecycle.Running:  api.PhaseRunning,
	lifecycle.Stopping: api.PhaseStopping,
	lifecycle.Waiting:  api.PhaseWaiting,
	lifecycle.Gone:     api.PhaseStopping,
}

// State returns what is known of the unikernel n, or of all in the path that n
// stands for, in the order of their names.
func (h *Host) State(n vm.Name) api.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := api.State{Unikernels: []api.Unikernel{}}
	for name, u := range h.units {
		if n.Contains(name) {
			s.Unikernels = append(s.Unikernels, h.describe(u))
		}
	}
	slices.SortFunc(s.Unikernels, func(a, b api.Unikernel) int {
		return strings.Compare(a.Name.Wire(), b.Name.Wire())
	})
	for name, e := range h.ends {
		if h.units[name] == nil && n.Contains(name) {
			s.Ended = append(s.Ended, ended(name, e))
		}
	}
	slices.SortFunc(s.Ended, func(a, b api.Ended) int { return b.At.Compare(a.At) })
	s.Policies = h.policiesOf(n)
	return s
}

// describe returns what queries tell of u. Host.mu is held.
func (h *Host) describe(u *unit) api.Unikernel {
	d := api.Unikernel{
		Name:     u.record.Name,
		Phase:    phases[u.state.Phase],
		Target:   u.record.Target.String(),
		Created:  u.record.Created,
		Restarts: u.state.Restarts,
		Next:     u.due,
		Info:     u.info(),
		Image:    u.record.Size,
	}
	if e, ok := h.ends[u.record.Name]; ok && e.ID == u.record.ID {
		last := ended(u.record.Name, e)
		d.LastExit = &last
	}
	if u.run != nil && u.state.Phase != lifecycle.Waiting {
		d.PID, d.UID, d.Started = u.run.process.PID, u.run.uid, u.run.process.Started
		d.Problems = append(d.Problems, u.run.problems...)
	}
	return d
}

// policiesOf returns the policies that rule n, the root's first, and those below
// it if it is a path. Host.mu is held.
func (h *Host) policiesOf(n vm.Name) []api.PolicyUse {
	var rule []api.PolicyUse
	for _, e := range h.tree.List(vm.Path{}) {
		if vm.MakeName(e.Path, "").Contains(n) || n.IsPath() && n.Contains(vm.MakeName(e.Path, "")) {
			use := api.Use{Unikernels: e.Use.Unikernels, Memory: e.Use.Memory, Block: e.Use.Block}
			rule = append(rule, api.PolicyUse{Path: e.Path, Limits: e.Policy, Use: use, Pinned: h.pins[e.Path]})
		}
	}
	return rule
}

// info returns u as Albatross describes unikernels. Host.mu is held.
func (u *unit) info() vm.Info {
	c, digest := u.record.Config, u.record.Image // a copy, which nobody changes
	i := vm.Info{
		Type: c.Type, Fail: c.Fail, Startup: c.Startup, CPUs: c.CPUs, Memory: c.Memory,
		Digest: digest[:], Blocks: u.blocks, Nets: u.nets, Argv: c.Argv,
		Started: u.record.Created, NumCPUs: c.NumCPUs, LinuxBoot: c.LinuxBoot,
	}
	if u.run != nil {
		i.Started = u.run.process.Started
	}
	return i
}

// Image opens the image of a unikernel.
func (h *Host) Image(ctx context.Context, n vm.Name) (*os.File, int64, error) {
	unlock, err := h.names.lock(ctx, n)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	u := h.unit(n)
	if u == nil {
		return nil, 0, notFound(n)
	}
	f, err := h.images.Open(u.record.Image)
	return f, u.record.Size, err
}
