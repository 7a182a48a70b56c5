package legacy

import (
	"context"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

func (a *app) policyCommand() *command {
	c := a.newCommand("policy", "Show active policies.")
	var path vm.Path
	c.path(&path)
	a.local(c)
	c.run = func(ctx context.Context) error {
		of := vm.MakeName(path, "")
		all, err := a.client().Policies(ctx, path)
		if err != nil {
			return about(of, err)
		}
		return each(a, of, all, "no policies", func(p wire.Named[vm.Policy]) string {
			return relative(of, p.Name) + ": " + describePolicy(p.Value)
		})
	}
	return c
}

func (a *app) removePolicyCommand() *command {
	c := a.newCommand("remove-policy", "Removes a policy.")
	var path vm.Path
	c.path(&path)
	a.local(c)
	c.run = func(ctx context.Context) error {
		reply, err := a.client().RemovePolicy(ctx, path)
		return a.success(vm.MakeName(path, ""), reply, err)
	}
	return c
}

// addPolicyCommand has two names.
func (a *app) addPolicyCommand(name string) *command {
	c := a.newCommand(name, "Add or replace a policy.")
	var path vm.Path
	p := vm.Policy{Memory: 512}
	var cpus []int
	var bridges []string
	c.integer(&p.Memory, "MB", "Memory to allow (in MB).", "mem")
	c.integers(&cpus, "ID", "CPUid to allow for this policy (default 0).", "cpu")
	c.maybe(&p.Block, "MB", "Block storage to allow (in MB).", "block", "size")
	c.repeated(func(s string) error { bridges = append(bridges, s); return nil }, "NAME", "Bridge name to allow.", "network", "bridge")
	c.argument(wirePath(&path), "PATH", "Path to unikernels.")
	c.argument(integer(&p.Unikernels), "UNIKERNELS", "Number of unikernels to allow running at the same time.")
	a.local(c)
	c.run = func(ctx context.Context) error {
		if cpus == nil {
			cpus = []int{0}
		}
		p.CPUs, p.Bridges = vm.MakeSet(cpus...), vm.MakeSet(bridges...)
		a.warnAbout(p, cpus, bridges)
		if err := p.Usable(); err != nil {
			return fail(exitUsage, "%w", err)
		}
		reply, err := a.client().AddPolicy(ctx, path, p)
		return a.success(vm.MakeName(path, ""), reply, err)
	}
	return c
}

// warnAbout tells what is allowed in a policy but hardly meant.
func (a *app) warnAbout(p vm.Policy, cpus []int, bridges []string) {
	if len(p.Bridges) < len(bridges) {
		a.log(levelWarning, "Bridges is not a set")
	}
	if len(p.CPUs) < len(cpus) {
		a.log(levelWarning, "CPUids is not a set")
	}
	if len(p.Bridges) == 0 {
		a.log(levelWarning, "policy without any network access")
	}
}
