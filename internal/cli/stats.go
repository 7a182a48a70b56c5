package cli

import (
	"context"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/client"
)

func (a *app) statsCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "stats [flags] [NAME | PATH]",
		Short: "Tell what unikernels use",
		Long: `Stats tells how much CPU time, memory and traffic unikernels have used since
they started: one, those below a PATH, which ends in a dot, or all. The daemon
samples now and then, so it may take some seconds. With --follow every sample
is shown, and how busy a unikernel was since the one before.`,
		Example: `  albatross stats
  albatross stats -f shop.www`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeOf,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			return a.stats(c.Context(), of, follow)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until interrupted")
	a.jsonFlag(c, "each sample")
	return c
}

func (a *app) stats(ctx context.Context, of string, follow bool) error {
	n, err := parseNameOrPath(of)
	if err != nil {
		return err
	}
	var all []client.Sample
	each := func(s client.Sample) error { all = append(all, s); return nil }
	switch {
	case a.json:
		each = func(s client.Sample) error { all = append(all[:0], s); return a.printJSON(describeSample(s)) }
	case follow:
		each = a.newSampleRows().print
	}
	err = a.client().Stats(ctx, client.Sampling{Name: n, Follow: follow}, each)
	switch {
	case err != nil || follow:
		return err
	case len(all) == 0 && !n.IsPath():
		return api.Errorf(api.NotFound, "there are no samples of %s", n).Hinted("does it run? albatross info %s", n)
	case len(all) == 0:
		return a.err.printf("there are no samples: no unikernels run")
	case a.json:
		return nil
	}
	return a.sampleTable(all)
}
