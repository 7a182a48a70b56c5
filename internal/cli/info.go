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
	all := false
	c := &cobra.Command{
		Use:   "info [flags] [NAME | PATH]",
		Short: "Tell what runs",
		Long: `Info lists the unikernels, or those below a PATH, which ends in a dot. For
the NAME of one it tells everything; also, for a while, how one ended that is
gone. The list has the last end of each name, and no more than 10 of them.`,
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
			return a.info(c.Context(), of, all)
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "show all ends that are known")
	a.jsonFlag(c, "everything that is known")
	return c
}

func (a *app) info(ctx context.Context, of string, all bool) error {
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
		return a.showList(s, all)
	}
	return a.showOne(s, all)
}

// pathOf returns the path that n would be, as one types it.
func pathOf(n vm.Name) vm.Name { return vm.MakeName(n.Path().Append(n.Label()), "") }

// showList shows a table of unikernels, and one of those that are gone.
func (a *app) showList(s api.State, all bool) error {
	if len(s.Unikernels) == 0 {
		if err := a.err.printf("no unikernels run"); err != nil {
			return err
		}
	} else if err := a.table(s.Unikernels); err != nil {
		return err
	}
	ends := s.Ended
	if !all {
		ends = lastEnds(ends)
	}
	if len(ends) == 0 {
		return nil
	}
	if len(s.Unikernels) > 0 {
		if err := a.out.printf(""); err != nil {
			return err
		}
	}
	if err := a.endedTable(ends); err != nil {
		return err
	}
	if left := len(s.Ended) - len(ends); left > 0 && a.out.terminal && a.err.terminal {
		_ = a.err.printf("see %s more with: albatross info --all", plural(left, "end")) // a convenience
	}
	return nil
}

// mostEnds is how many ends are listed unless all are wanted.
const mostEnds = 10

// lastEnds picks the last end of each unikernel, and of those the last ones. The
// newest come first.
func lastEnds(all []api.Ended) []api.Ended {
	var last []api.Ended
	for _, e := range all {
		if len(last) < mostEnds && !slices.ContainsFunc(last, func(l api.Ended) bool { return l.Name == e.Name }) {
			last = append(last, e)
		}
	}
	return last
}

// showOne shows all about a unikernel, or how its last run ended.
func (a *app) showOne(s api.State, all bool) error {
	var err error
	switch {
	case len(s.Unikernels) > 0:
		err = a.detail(s.Unikernels[0])
	case s.Ended[0].Reason == api.StoppedOnRequest:
		err = a.out.printf("%s does not run: it was %s %s", s.Ended[0].Name, api.StoppedOnRequest, a.ago(s.Ended[0].At))
	default:
		err = a.out.printf("%s does not run: it ended %s with %s", s.Ended[0].Name, a.ago(s.Ended[0].At), ending(s.Ended[0]))
	}
	if err != nil || !all || len(s.Ended) == 0 {
		return err
	}
	if err := a.out.printf(""); err != nil {
		return err
	}
	return a.endedTable(s.Ended)
}
