package legacy

import (
	"context"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

func (a *app) policyCommand() *command {
	c := a.newCommand("policy", "List policies.")
	var path vm.Path
	c.path(&path)
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.policies(ctx, path) }
	return c
}

func (a *app) policies(ctx context.Context, path vm.Path) error {
	of := vm.MakeName(path, "")
	all, err := a.client().Policies(ctx, path)
	if err != nil {
		return a.about(of, err)
	}
	return each(a, of, all, "no policies", func(p wire.Named[vm.Policy]) string {
		return a.relative(of, p.Name) + ": " + describePolicy(p.Value)
	})
}

func (a *app) removePolicyCommand() *command {
	c := a.newCommand("remove-policy", "Remove a policy.")
	var path vm.Path
	c.path(&path)
	a.destination(c)
	c.run = func(ctx context.Context) error {
		reply, err := a.client().RemovePolicy(ctx, path)
		return a.success(vm.MakeName(path, ""), reply, err)
	}
	return c
}

// addPolicyCommand has two names.
func (a *app) addPolicyCommand(name string) *command {
	c := a.newCommand(name, "Set the policy of a path.")
	var path vm.Path
	p := vm.Policy{Memory: 512}
	var cpus []int
	var bridges []string
	c.integer(&p.Memory, "MB", "Memory, default 512.", "mem")
	c.integers(&cpus, "ID", "A CPU, default 0.", "cpu")
	c.maybe(&p.Block, "MB", "Block storage; default: none at all.", "block", "size")
	c.repeated(func(s string) error { bridges = append(bridges, s); return nil }, "NAME", "A bridge.", "network", "bridge")
	c.argument(wirePath(&path), "PATH", "The path.")
	c.argument(integer(&p.Unikernels), "UNIKERNELS", "How many there may be.")
	a.destination(c)
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
		a.log(levelWarning, "a bridge is given twice")
	}
	if len(p.CPUs) < len(cpus) {
		a.log(levelWarning, "a CPU is given twice")
	}
	if len(p.Bridges) == 0 {
		a.log(levelWarning, "the policy allows no network")
	}
}
