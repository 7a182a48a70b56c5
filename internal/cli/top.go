package cli

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/cli/top"
)

func (a *app) topCommand() *cobra.Command {
	var once bool
	var every time.Duration
	c := &cobra.Command{
		Use:   "top [flags] [NAME | PATH]",
		Short: "Show all the time what runs and what it uses",
		Long: `Top shows a table of unikernels, or those below a PATH, which ends in a dot:
what state they are in, and how much CPU, memory and network they use just now.
It can be sorted and filtered, and shows everything about one of them, what it
writes and what happened to it. The key ? lists the keys, q ends.

With --once it prints the table as text, measured for the time of --period, and
ends. Programs read albatross stats --json and albatross info --json instead.`,
		Example: `  albatross top
  albatross top --period 1s shop.
  albatross top --once | head`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeOf,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			if err := a.checkPeriod(every, c.Flags().Changed("period")); err != nil {
				return err
			}
			return a.top(c.Context(), of, every, once)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "print the table once, as text")
	c.Flags().DurationVar(&every, "period", 2*time.Second, "the `TIME` between samples, in whole seconds")
	return c
}

func (a *app) top(ctx context.Context, of string, every time.Duration, once bool) error {
	n, err := parseNameOrPath(of)
	if err != nil {
		return err
	}
	o := top.Options{
		Client: a.client(), Of: n, Every: every, Out: a.out.w, Env: a.env.list(),
		Look:  top.Look{Colours: a.out.colours, ASCII: a.out.ascii, Zone: time.Local},
		Words: top.Words{Details: a.detailLines, Ending: ending, Event: a.eventLine},
	}
	const instead = "albatross top --once prints one table; for programs there are albatross stats --json and albatross info --json"
	switch term := a.env["TERM"]; {
	case once:
		return top.Once(ctx, o, a.out.width)
	case !a.out.terminal:
		return usage(instead, "top draws on a terminal, and standard output is none")
	case term == "" || term == "dumb":
		return usage(instead, "top cannot draw on a terminal of the kind TERM=%s", term)
	}
	return top.Run(ctx, o)
}

// elsewhere is a as if its output had that width, at that time: what it writes comes
// into the buffer.
func (a *app) elsewhere(width int, now time.Time) (*app, *bytes.Buffer) {
	var b bytes.Buffer
	there, out := *a, *a.out
	out.w, out.width = &b, width
	there.out, there.now = &out, func() time.Time { return now }
	return &there, &b
}

// detailLines is what info tells about one unikernel.
func (a *app) detailLines(u api.Unikernel, policies []api.PolicyUse, now time.Time, width int) []string {
	there, b := a.elsewhere(width, now)
	_ = there.detail(u, policies) // a buffer takes everything
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// eventLine is what events tells about one.
func (a *app) eventLine(e api.Event) string {
	there, b := a.elsewhere(0, time.Time{})
	there.json = false
	_ = there.printEvent(e) // a buffer takes everything
	return strings.TrimSuffix(b.String(), "\n")
}
