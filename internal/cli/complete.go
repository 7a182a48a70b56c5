package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"albatross/guest"
	"albatross/internal/vm"
)

// completeOne completes the first argument to the name of a unikernel.
func (a *app) completeOne(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.names(c.Context(), nil, begun), cobra.ShellCompDirectiveNoFileComp
}

// completeOf completes the first argument to the name of a unikernel, or a path
// that has some.
func (a *app) completeOf(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all := a.names(c.Context(), nil, "")
	for _, n := range slices.Clone(all) {
		full, err := vm.ParseName(n)
		for p := full.Path(); err == nil && !p.IsRoot(); p = p.Parent() {
			all = append(all, vm.MakeName(p, "").String())
		}
	}
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(n string) bool { return !strings.HasPrefix(n, begun) })
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completePolicy completes the first argument to a path that has a policy, and
// not only that of the host.
func (a *app) completePolicy(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client := a.client()
	client.Patience = min(client.Patience, shortWait)
	policies, err := client.Policies(c.Context(), vm.Path{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for _, p := range policies {
		if n := p.Name.String(); !p.Name.Path().IsRoot() && strings.HasPrefix(n, begun) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeAll completes every argument to the name of a unikernel that is not
// there yet.
func (a *app) completeAll(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	return a.names(c.Context(), args, begun), cobra.ShellCompDirectiveNoFileComp
}

// names asks the daemon; without an answer nothing is completed.
func (a *app) names(ctx context.Context, but []string, begun string) []string {
	c := a.client()
	c.Patience = min(c.Patience, shortWait)
	s, err := c.State(ctx, vm.Name{})
	if err != nil {
		return nil
	}
	var all []string
	for _, u := range s.Unikernels {
		if n := u.Name.String(); strings.HasPrefix(n, begun) && !slices.Contains(but, n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// completeImage completes the second argument of create to a file or a guest
// that comes with albatross.
func completeImage(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	prefixes := []string{guestPrefix}
	if strings.HasPrefix(begun, guestPrefix) { // else these would be too many
		for _, target := range guest.Targets() {
			prefixes = append(prefixes, guestPrefix+target+"/")
		}
	}
	var guests []string
	for _, prefix := range prefixes {
		for _, n := range guest.Names() {
			if g := prefix + n; strings.HasPrefix(g, begun) {
				guests = append(guests, g)
			}
		}
	}
	return guests, cobra.ShellCompDirectiveDefault
}

// completeFlags says how the values of flags are completed: by the names that
// their help has for these. What is neither file nor directory must not be
// completed to one.
func completeFlags(c *cobra.Command, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		complete := cobra.NoFileCompletions
		if cpus, ok := f.Value.(*cpuList); ok {
			complete = cobra.FixedCompletions(cpus.completions(), cobra.ShellCompDirectiveNoFileComp)
		}
		switch value, _ := pflag.UnquoteUsage(f); value {
		case "", "FILE": // a flag without a value; files are what shells take
			return
		case "DIR":
			complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		case "WHEN":
			complete = cobra.FixedCompletions(modes, cobra.ShellCompDirectiveNoFileComp)
		}
		_ = c.RegisterFlagCompletionFunc(f.Name, complete) // the flag is there, and this is its first
	})
}
