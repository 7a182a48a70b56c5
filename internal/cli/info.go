package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/vm"
)

func (a *app) infoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "info [flags] [NAME | PATH]",
		Short: "Tell what runs",
		Long: `Info lists the unikernels, or those below a PATH, which ends in a dot. For
the NAME of one it tells everything; also, for a while, how one ended that is
gone.`,
		Example: `  albatross info
  albatross info shop.
  albatross info shop.www`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeOne,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			return a.info(c.Context(), of)
		},
	}
	a.jsonFlag(c, "everything that is known")
	return c
}

func (a *app) info(ctx context.Context, of string) error {
	n, err := parseNameOrPath(of)
	if err != nil {
		return err
	}
	s, err := a.client().State(ctx, n)
	if err != nil {
		return err
	}
	slices.SortFunc(s.Unikernels, func(x, y api.Unikernel) int { return strings.Compare(x.Name.Wire(), y.Name.Wire()) })
	if !n.IsPath() && len(s.Unikernels) == 0 && len(s.Ended) == 0 {
		return api.Errorf(api.NotFound, "there is no unikernel %s", n).
			Hinted("albatross info lists all; a path ends in a dot: albatross info %s", pathOf(n))
	}
	switch {
	case a.json:
		return a.printJSON(describeState(s))
	case n.IsPath():
		return a.showList(s)
	}
	return a.showOne(s)
}

// pathOf returns the path that n would be, as one types it.
func pathOf(n vm.Name) vm.Name { return vm.MakeName(n.Path().Append(n.Label()), "") }

// showList shows a table of unikernels, and one of those that are gone.
func (a *app) showList(s api.State) error {
	if len(s.Unikernels) == 0 {
		if err := a.err.printf("no unikernels run"); err != nil {
			return err
		}
	} else if err := a.table(s.Unikernels); err != nil {
		return err
	}
	if len(s.Ended) == 0 {
		return nil
	}
	if len(s.Unikernels) > 0 {
		if err := a.out.printf(""); err != nil {
			return err
		}
	}
	return a.endedTable(s.Ended)
}

// showOne shows all about a unikernel, or how its last run ended.
func (a *app) showOne(s api.State) error {
	if len(s.Unikernels) > 0 {
		return a.detail(s.Unikernels[0])
	}
	e := s.Ended[0]
	return a.out.printf("%s does not run: it ended %s with %s: %s", e.Name, a.ago(e.At), e.Exit, visible(e.Reason))
}
