package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// infoOptions are the flags of info.
type infoOptions struct {
	all  bool // ends
	tree bool
}

func (a *app) infoCommand() *cobra.Command {
	var o infoOptions
	c := &cobra.Command{
		Use:   "info [flags] [NAME | PATH]",
		Short: "Tell what runs",
		Long: `Info lists the unikernels, or those below a PATH, which ends in a dot. For
the NAME of one it tells everything; also, for a while, how one ended that is
gone. The list has the last end of each name, and no more than 10 of them.

With --tree unikernels stand below their paths, and each path tells how much of
what its policy allows is used; all policies that apply are shown.`,
		Example: `  albatross info
  albatross info shop.
  albatross info shop.www
  albatross info --tree`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeOf,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			return a.info(c.Context(), of, o)
		},
	}
	c.Flags().BoolVarP(&o.all, "all", "a", false, "show all ends that are known")
	c.Flags().BoolVarP(&o.tree, "tree", "t", false, "arrange by path, and show what policies allow and what is used")
	a.jsonFlag(c, "everything that is known")
	return c
}

func (a *app) info(ctx context.Context, of string, o infoOptions) error {
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
		flag := ""
		if o.tree {
			flag = "--tree "
		}
		return api.Errorf(api.NotFound, "there is no unikernel %s", n).
			Hinted("albatross info lists all; a path ends in a dot: albatross info %s%s", flag, pathOf(n))
	}
	switch {
	case a.json:
		return a.printJSON(describeState(s))
	case o.tree && (n.IsPath() || len(s.Unikernels) > 0):
		return a.showTree(s, n, o.all)
	case n.IsPath():
		return a.showList(s, o.all)
	}
	return a.showOne(s, o.all)
}

// pathOf returns the path that n would be, as one types it.
func pathOf(n vm.Name) vm.Name { return vm.MakeName(n.Path().Append(n.Label()), "") }

// noneRun is said where there is nothing to list.
const noneRun = "no unikernels run"

// showList shows a table of unikernels, one of what is wrong with them, and one of
// those that are gone.
func (a *app) showList(s api.State, all bool) error {
	if len(s.Unikernels) == 0 {
		if err := a.err.printf(noneRun); err != nil {
			return err
		}
		return a.showEnds(s, all, false)
	}
	if err := a.table(s.Unikernels); err != nil {
		return err
	}
	if err := a.showProblems(s.Unikernels); err != nil {
		return err
	}
	return a.showEnds(s, all, true)
}

// showTree shows the tree of paths, and a table of unikernels that are gone.
func (a *app) showTree(s api.State, of vm.Name, all bool) error {
	if len(s.Unikernels) == 0 {
		if err := a.err.printf(noneRun); err != nil {
			return err
		}
	}
	if err := a.tree(s, of); err != nil {
		return err
	}
	return a.showEnds(s, all, true)
}

// showProblems shows what is wrong with unikernels, below their table.
func (a *app) showProblems(all []api.Unikernel) error {
	g := newGrid("NAME", "PROBLEM")
	g.shorten(0)
	for _, u := range all {
		for _, p := range u.Problems {
			g.add(text(u.Name.String()), cell{visible(p), yellow})
		}
	}
	if len(g.rows) == 1 {
		return nil
	}
	if err := a.out.printf(""); err != nil {
		return err
	}
	return g.print(a.out)
}

// showEnds shows a table of unikernels that are gone, apart from what is above it.
func (a *app) showEnds(s api.State, all, below bool) error {
	ends := s.Ended
	if !all {
		ends = ends[:min(len(ends), mostEnds)]
	}
	if len(ends) == 0 {
		return nil
	}
	if below {
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

// showOne shows all about a unikernel, or how its last run ended.
func (a *app) showOne(s api.State, all bool) error {
	var err error
	switch {
	case len(s.Unikernels) > 0:
		err = a.detail(s.Unikernels[0], s.Policies)
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
