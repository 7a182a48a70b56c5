package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/client"
)

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check [flags]",
		Short: "Tell whether records, images and block devices are whole",
		Long: `Check has the daemon compare its records of unikernels, policies and block
devices with the images and files that it keeps, all of which it reads, and
tells what is wrong and what to do about it. Nothing is changed. It takes as
long as that takes, unless --timeout says how long the daemon may be silent.

If anything is wrong, the exit code is 1.`,
		Example: `  albatross check
  albatross check --json`,
		Args: arguments(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			var patience time.Duration // for ever
			if c.Flags().Changed("timeout") {
				patience = a.timeout
			}
			return a.check(c.Context(), patience)
		},
	}
	a.jsonFlag(c, "the findings")
	return c
}

func (a *app) check(ctx context.Context, patience time.Duration) error {
	found, err := a.client().Check(ctx, patience)
	switch e, ok := errors.AsType[*api.Error](err); {
	case ok && e.Code == api.Unavailable && errors.Is(err, client.ErrConnect):
		return e.Hinted("albatrossd --check --dbdir DIR checks a directory that no daemon uses")
	case err != nil:
		return err
	case a.json:
		err = a.printJSON(describeCheck(found))
	default:
		err = a.showCheck(found)
	}
	if err == nil && len(found.Findings) > 0 {
		return &reported{exitRefused}
	}
	return err
}

func (a *app) showCheck(c api.Check) error {
	for _, f := range c.Findings {
		if err := a.out.printf("%s %s", a.out.paint(red, visible(f.What)+":"), visible(f.Text)); err != nil {
			return err
		}
		if f.Hint == "" {
			continue
		}
		if err := a.out.printf("  hint: %s", visible(f.Hint)); err != nil {
			return err
		}
	}
	verdict := a.out.paint(green, "all is well")
	if n := len(c.Findings); n > 0 {
		verdict = a.out.paint(red, plural(n, "finding"))
	}
	return a.out.printf("checked %s, %s, %s (%s): %s",
		plural(c.Unikernels, "unikernel"), plural(c.Images, "image"), plural(c.Blocks, "block device"), size(c.Bytes), verdict)
}

func describeCheck(c api.Check) jsonCheck {
	d := jsonCheck{Unikernels: c.Unikernels, Images: c.Images, Blocks: c.Blocks, Bytes: c.Bytes, Findings: []jsonFinding{}}
	for _, f := range c.Findings {
		d.Findings = append(d.Findings, jsonFinding{What: f.What, Sentence: f.Text, Hint: f.Hint})
	}
	return d
}
