package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) downCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "down [flags]",
		Short: "End what up started",
		Long: `Down stops the unikernels and daemons that up started in a directory, and
returns when all have ended. The next up runs the unikernels again.`,
		Args: arguments(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error { return a.down(c.Context(), dir) },
	}
	a.dirFlag(c, &dir)
	a.jsonFlag(c, "the result")
	return c
}

func (a *app) down(ctx context.Context, dir string) error {
	s, err := a.supervisor(dir, everywhere)
	if err != nil {
		return err
	}
	ran, err := s.Down(ctx)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(jsonDown{Dir: string(s.Dir), Ran: ran})
	case !ran:
		return a.out.printf("albatross is not up in %s", s.Dir)
	}
	return a.out.printf("albatross is down in %s", s.Dir)
}
