package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
	var guests []string
	for _, n := range guest.Names() {
		if g := guestPrefix + n; strings.HasPrefix(g, begun) {
			guests = append(guests, g)
		}
	}
	return guests, cobra.ShellCompDirectiveDefault
}
