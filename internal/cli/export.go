package cli

import (
	"io"

	"github.com/spf13/cobra"
)

func (a *app) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export-state FILE",
		Short: "Write a state file that Albatross 2.7 reads",
		Long: `Export-state writes all unikernels with their images, and all policies, to
FILE, as Albatross 2.7 keeps them in the file state of its database directory.
Block devices are not in it: they are files in the directory block.`,
		Args: arguments(1, 1, "one FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			err := replaceFile(args[0], func(w io.Writer) error { return a.client().ExportState(c.Context(), w) })
			if err != nil {
				return err
			}
			return a.out.printf("wrote %s", args[0])
		},
	}
}
