package cli

import (
	"context"

	"github.com/spf13/cobra"

	"albatross/internal/vm"
)

func (a *app) destroyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:               "destroy [flags] NAME…",
		Short:             "Stop unikernels and forget them",
		Long:              "Destroy stops unikernels and forgets them. Their block devices stay.",
		Args:              arguments(1, -1, "at least one NAME"),
		ValidArgsFunction: a.completeAll,
		RunE:              func(c *cobra.Command, args []string) error { return a.destroy(c.Context(), args) },
	}
	a.jsonFlag(c, "the results")
	return c
}

// destroy goes on with the next name after a failure. Its exit code is that of
// the first one.
func (a *app) destroy(ctx context.Context, args []string) error {
	names := make([]vm.Name, len(args))
	for i, arg := range args {
		var err error
		if names[i], err = parseName(arg); err != nil {
			return err
		}
	}
	failed := exitOK
	all := jsonDestroyed{Results: []jsonDone{}}
	for _, n := range names {
		reply, err := a.client().Destroy(ctx, n)
		if code := exitCode(err); code == exitConnect || code == exitInterrupted {
			return err // the others would fare no better
		}
		if err != nil && failed == exitOK {
			failed = exitCode(err)
		}
		result := jsonDone{Name: n, Reply: reply}
		switch {
		case a.json && err != nil:
			e := describe(err)
			result.Error = &e
		case a.json:
		case err != nil:
			a.report(err)
		default:
			if err := a.out.printf("destroyed %s", n); err != nil {
				return err
			}
		}
		all.Results = append(all.Results, result)
	}
	if a.json {
		if err := a.printJSON(all); err != nil {
			return err
		}
	}
	if failed != exitOK {
		return &reported{failed}
	}
	return nil
}
