package cli

import "github.com/spf13/cobra"

func (a *app) shutdownCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "shutdown [flags]",
		Short: "Stop all unikernels until the daemon is started again",
		Long: `Shutdown stops all unikernels, as for the shutdown of the host. They are not
forgotten: the next start of albatrossd runs them again. Until then none is
started.`,
		Example: "  albatross shutdown",
		Args:    arguments(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			done, err := a.client().Shutdown(c.Context())
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(jsonShutdown{Stopped: done.Stopped})
			}
			return a.out.printf("stopped %s", plural(done.Stopped, "unikernel"))
		},
	}
	a.jsonFlag(c, "the result")
	return c
}
