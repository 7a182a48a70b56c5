package cli

import (
	"context"

	"github.com/spf13/cobra"

	"albatross/internal/vm"
)

// unchanged is the sentence of a daemon that has the policy already.
const unchanged = "no modification of policy"

// limits are the flags of add-policy.
type limits struct {
	unikernels, memory, block int
	cpus                      cpuList
	bridges                   []string
}

func (a *app) addPolicyCommand() *cobra.Command {
	var l limits
	pin := false
	c := &cobra.Command{
		Use:   "add-policy [flags] PATH --unikernels N",
		Short: "Say what a path may use",
		Long: `Add-policy says how much all unikernels of a path, and below it, may use
together. It takes the place of the policy that the path has; what runs there
must fit into it, and it must fit into those of the paths above. The policy of
the root is what the host has, and cannot be set.

A delegation that a client far away presents sets the policy of its path, unless
that was set with --pin; remove-policy undoes it.`,
		Example: `  albatross add-policy shop --unikernels 10 --mem 1024 --cpu 0,1 --bridge br0
  albatross add-policy shop.db --unikernels 1 --mem 256 --block 2048`,
		Args:              arguments(1, 1, "one PATH"),
		ValidArgsFunction: a.completePolicy,
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("unikernels") {
				return usage("usage: "+c.UseLine(), "add-policy needs --unikernels: how many there may be")
			}
			return a.addPolicy(c.Context(), args[0], l.policy(c.Flags().Changed("block")), pin)
		},
	}
	l.flags(c)
	c.Flags().BoolVar(&pin, "pin", false, "keep this policy where a certificate from afar brings another one")
	a.jsonFlag(c, "the result")
	return c
}

// flags gives c the flags that say what is allowed.
func (l *limits) flags(c *cobra.Command) {
	fs := c.Flags()
	fs.IntVar(&l.unikernels, "unikernels", 0, "allow `N` unikernels")
	fs.IntVar(&l.memory, "mem", 512, "allow memory of `MB`")
	fs.Var(&l.cpus, "cpu", "allow the host's CPU of this `NUMBER`, or a range like 0-3; may be repeated (default 0)")
	fs.IntVar(&l.block, "block", 0, "allow block devices of `MB` (default: none at all)")
	fs.StringArrayVar(&l.bridges, "bridge", nil, "allow networks on the bridge `NAME`; may be repeated")
}

func (l limits) policy(withBlock bool) vm.Policy {
	p := vm.Policy{Unikernels: l.unikernels, CPUs: l.cpus.set(), Memory: l.memory, Bridges: vm.MakeSet(l.bridges...)}
	if withBlock {
		p.Block = &l.block
	}
	return p
}

func (a *app) addPolicy(ctx context.Context, path string, p vm.Policy, pin bool) error {
	n, err := parsePath(path)
	if err != nil {
		return err
	}
	if err := p.Usable(); err != nil {
		return usage("", "%v", err)
	}
	add := a.client().AddPolicy
	if pin {
		add = a.client().PinPolicy
	}
	reply, err := add(ctx, n.Path(), p)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(jsonPolicyDone{Path: n, Reply: reply})
	case reply == unchanged:
		return a.out.printf("%s has this policy already", n)
	}
	return a.out.printf("set the policy of %s", n)
}

func (a *app) removePolicyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "remove-policy [flags] PATH",
		Short: "Forget what a path may use",
		Long: `Remove-policy removes the policy of a path. Policies below it stay, and those
above go on to limit what runs there.`,
		Example:           "  albatross remove-policy shop.db",
		Args:              arguments(1, 1, "one PATH"),
		ValidArgsFunction: a.completePolicy,
		RunE:              func(c *cobra.Command, args []string) error { return a.removePolicy(c.Context(), args[0]) },
	}
	a.jsonFlag(c, "the result")
	return c
}

func (a *app) removePolicy(ctx context.Context, path string) error {
	n, err := parsePath(path)
	if err != nil {
		return err
	}
	reply, err := a.client().RemovePolicy(ctx, n.Path())
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(jsonPolicyDone{Path: n, Reply: reply})
	}
	return a.out.printf("removed the policy of %s", n)
}
