package cli

import (
	"context"

	"github.com/spf13/cobra"

	"albatross/internal/vm"
)

func (a *app) restartCommand() *cobra.Command {
	var m machine
	var replace bool
	c := &cobra.Command{
		Use:   "restart [flags] NAME [-- ARGUMENT…]",
		Short: "Stop a unikernel and start it again",
		Long: `Restart stops a unikernel and starts it again, as it was created or last
restarted. With --replace-arguments it is given what the flags and the
ARGUMENTs say instead; the image stays, and what is not said has its default.`,
		Example: `  albatross restart www
  albatross restart www --replace-arguments --mem 128 --net service:br0 -- --ipv4=10.0.42.3/24`,
		Args:              arguments(1, -1, "a NAME"),
		ValidArgsFunction: a.completeOne,
		RunE: func(c *cobra.Command, args []string) error {
			return a.restart(c.Context(), &m, replace, args[0], args[1:])
		},
	}
	c.Flags().BoolVar(&replace, "replace-arguments", false, "give it what the other flags say")
	m.addFlags(c.Flags())
	a.jsonFlag(c, "the result")
	return c
}

func (a *app) restart(ctx context.Context, m *machine, replace bool, name string, more []string) error {
	n, err := parseName(name)
	if err != nil {
		return err
	}
	given := m.given()
	if given == "" && len(more) > 0 {
		given = "an ARGUMENT"
	}
	if !replace && given != "" {
		return usage("", "%s has no effect without --replace-arguments", given)
	}
	var args *vm.Arguments
	if replace {
		all, err := m.arguments(n, more)
		if err != nil {
			return err
		}
		args = &all
	}
	reply, err := a.client().Restart(ctx, n, args)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(jsonDone{Name: n, Reply: reply})
	}
	return a.out.printf("restarted %s", n)
}
