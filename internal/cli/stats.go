package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/client"
)

// sampling is what the flags of stats say.
type sampling struct {
	follow bool
	count  int
	every  time.Duration
}

func (a *app) statsCommand() *cobra.Command {
	var s sampling
	c := &cobra.Command{
		Use:   "stats [flags] [NAME | PATH]",
		Short: "Tell what unikernels use",
		Long: `Stats tells how much CPU time, memory and traffic unikernels have used since
they started: one, those below a PATH, which ends in a dot, or all. With --count
or --follow it does so again and again, and tells how busy each was meanwhile.

With --json each sample is one line. A daemon of Albatross 2.7, and any host
that is asked from afar, samples at a period of its own, mostly 10s; then the
first may take so long.`,
		Example: `  albatross stats
  albatross stats -f shop.www
  albatross stats --json --count 60 --period 1s shop. >usage.json`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeOf,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			flags := c.Flags()
			if err := a.checkSampling(&s, flags.Changed("count"), flags.Changed("period")); err != nil {
				return err
			}
			return a.stats(c.Context(), of, s)
		},
	}
	c.Flags().BoolVarP(&s.follow, "follow", "f", false, "go on with what comes, until interrupted")
	c.Flags().IntVar(&s.count, "count", 1, "take `N` samples of each unikernel")
	c.Flags().DurationVar(&s.every, "period", 10*time.Second, "with --count or --follow: the `TIME` between samples, in whole seconds")
	a.jsonFlag(c, "each sample")
	return c
}

// checkSampling refuses what makes no sense.
func (a *app) checkSampling(s *sampling, counted, timed bool) error {
	switch {
	case s.follow && counted:
		return usage("the one ends, the other does not", "--count and --follow exclude each other")
	case s.count < 1:
		return usage("it is how many samples are taken, 1 or more", "--count=%d makes no sense", s.count)
	case s.follow:
		s.count = 0
	}
	return a.checkPeriod(s.every, timed)
}

// checkPeriod refuses a period that no daemon keeps.
func (a *app) checkPeriod(every time.Duration, told bool) error {
	const most = api.MostSeconds * time.Second
	switch {
	case told && a.remote.host != "":
		return usage("it is set there, by albatross-stats --period", "a host that is asked from afar samples at a period of its own")
	case every < time.Second, every > most, every%time.Second != 0:
		return usage("it is whole seconds, from 1s to "+most.String(), "--period=%v makes no sense", every)
	}
	return nil
}

func (a *app) stats(ctx context.Context, of string, s sampling) error {
	n, err := parseNameOrPath(of)
	if err != nil {
		return err
	}
	var all []client.Sample // where one of each is shown as a table
	rows, came := a.newSampleRows(), false
	each := func(r client.Round) error {
		came = came || len(r.Samples) > 0
		if s.count == 1 && !a.json {
			all = append(all, r.Samples...)
			return nil
		}
		return rows.print(r)
	}
	err = a.client().Watch(ctx, client.Watching{Name: n, Every: s.every, Count: s.count}, each)
	switch {
	case err != nil || s.follow:
		return err
	case !came && !n.IsPath():
		return api.Errorf(api.NotFound, "there are no samples of %s", n).Hinted("does it run? albatross info %s", n)
	case !came:
		return a.err.printf("there are no samples: no unikernels run")
	case all != nil:
		return a.sampleTable(all)
	}
	return nil
}
