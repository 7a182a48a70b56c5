package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/vm"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy [flags] [PATH]",
		Short: "Tell what paths may use, and what they do",
		Long: `Policy lists how much all unikernels of a path, and below it, may use together,
and how much they do: 3/10 is 3 used of 10. It lists all paths that have a
policy, or those at and below PATH. What the host has is the policy of the root.`,
		Example: `  albatross policy
  albatross policy shop`,
		Args:              arguments(0, 1, "one PATH"),
		ValidArgsFunction: a.completePolicy,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			return a.policies(c.Context(), of)
		},
	}
	a.jsonFlag(c, "the policies")
	return c
}

func (a *app) policies(ctx context.Context, of string) error {
	n, err := parsePath(of)
	if err != nil {
		return err
	}
	all, err := a.allowancesOf(ctx, n)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(describePolicies(all))
	case len(all) == 0:
		return a.err.printf("no policies at or below %s", n)
	}
	return a.policyTable(all)
}

// allowancesOf asks for the policies at and below a path, by path. A daemon that
// does not tell what is used tells only of limits.
func (a *app) allowancesOf(ctx context.Context, of vm.Name) ([]allowance, error) {
	s, err := a.client().State(ctx, of)
	if err != nil {
		return nil, err
	}
	all := allowances(s.Policies)
	if len(all) == 0 {
		policies, err := a.client().Policies(ctx, of.Path())
		if err != nil {
			return nil, err
		}
		for _, p := range policies {
			all = append(all, allowance{path: p.Name.Path(), limits: p.Value})
		}
	}
	all = slices.DeleteFunc(all, func(p allowance) bool { return !of.Path().Contains(p.path) })
	slices.SortFunc(all, func(x, y allowance) int { return strings.Compare(x.path.Wire(), y.path.Wire()) })
	return all, nil
}

func (a *app) policyTable(all []allowance) error {
	g := newGrid("PATH", "UNIKERNELS", "CPU", "MEM", "BLOCK", "BRIDGES")
	g.shorten(0, 5)
	for _, p := range all {
		g.add(text(vm.MakeName(p.path, "").String()), p.unikernels(), text(ranges(p.limits.CPUs)), p.memory(), p.block(),
			text(orUnknown(visible(strings.Join(p.limits.Bridges, ",")))))
	}
	return g.print(a.out)
}

func describePolicies(all []allowance) jsonPolicies {
	d := jsonPolicies{Policies: []jsonPolicy{}}
	for _, p := range all {
		one := jsonPolicy{
			Path: vm.MakeName(p.path, ""), CPUs: append(vm.Set[int]{}, p.limits.CPUs...), Memory: p.limits.Memory, Block: p.limits.Block,
			Bridges: append(vm.Set[string]{}, p.limits.Bridges...),
		}
		if p.limits.Unikernels != anyNumber {
			one.Unikernels = &p.limits.Unikernels
		}
		if p.use != nil {
			used := jsonUse(*p.use)
			one.Used = &used
		}
		d.Policies = append(d.Policies, one)
	}
	return d
}
