package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// anyNumber is the number of unikernels in the policy of a host.
const anyNumber = 1<<62 - 1

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy [flags] [PATH]",
		Short: "Tell what paths may use",
		Long: `Policy lists how much all unikernels of a path, and below it, may use together:
of all paths, or of those at and below PATH. What the host has is the policy of
the root.`,
		Example: `  albatross policy
  albatross policy shop`,
		Args:              arguments(0, 1, "one PATH"),
		ValidArgsFunction: cobra.NoFileCompletions,
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
	all, err := a.client().Policies(ctx, n.Path())
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(x, y wire.Named[vm.Policy]) int { return strings.Compare(x.Name.Wire(), y.Name.Wire()) })
	switch {
	case a.json:
		return a.printJSON(describePolicies(all))
	case len(all) == 0:
		return a.err.printf("no policies at or below %s", n)
	}
	return a.policyTable(all)
}

func (a *app) policyTable(all []wire.Named[vm.Policy]) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "PATH\tUNIKERNELS\tCPU\tMEM\tBLOCK\tBRIDGES\n")
	for _, p := range all {
		unikernels, block := strconv.Itoa(p.Value.Unikernels), "none"
		if p.Value.Unikernels == anyNumber {
			unikernels = "any"
		}
		if p.Value.Block != nil {
			block = fmt.Sprintf("%d MB", *p.Value.Block)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d MB\t%s\t%s\n", p.Name, unikernels, ranges(p.Value.CPUs), p.Value.Memory, block,
			orUnknown(visible(strings.Join(p.Value.Bridges, ","))))
	}
	return w.Flush()
}

// ranges writes a set of numbers: 0-3,8.
func ranges(s vm.Set[int]) string {
	var all []string
	for i := 0; i < len(s); {
		end := i
		for end+1 < len(s) && s[end+1] == s[end]+1 {
			end++
		}
		text := strconv.Itoa(s[i])
		if end > i {
			text += "-" + strconv.Itoa(s[end])
		}
		all, i = append(all, text), end+1
	}
	return orUnknown(strings.Join(all, ","))
}

func describePolicies(all []wire.Named[vm.Policy]) jsonPolicies {
	d := jsonPolicies{Policies: []jsonPolicy{}}
	for _, p := range all {
		one := jsonPolicy{
			Path: p.Name, CPUs: append(vm.Set[int]{}, p.Value.CPUs...), Memory: p.Value.Memory, Block: p.Value.Block,
			Bridges: append(vm.Set[string]{}, p.Value.Bridges...),
		}
		if p.Value.Unikernels != anyNumber {
			one.Unikernels = &p.Value.Unikernels
		}
		d.Policies = append(d.Policies, one)
	}
	return d
}
