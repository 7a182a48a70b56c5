package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// eventsOptions are the flags of events.
type eventsOptions struct {
	follow bool
	count  int
	since  string
}

func (a *app) eventsCommand() *cobra.Command {
	var o eventsOptions
	c := &cobra.Command{
		Use:   "events [flags] [NAME | PATH]",
		Short: "Tell what happened, when and why",
		Long: `Events tells what happened to unikernels, policies and block devices: to one,
to those at and below a PATH, which ends in a dot, or on the whole host. What
was started, how it ended, what was asked for and what was refused is kept until
newer events need the space, whatever becomes of the daemon meanwhile. With
--follow it goes on with what happens until it is interrupted, also when the
daemon is started anew meanwhile.`,
		Example: `  albatross events
  albatross events -f shop.
  albatross events --since 24h --json shop.www`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeOf,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			return a.events(c.Context(), of, o, c.Flags().Changed("count"))
		},
	}
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what happens, until interrupted")
	c.Flags().IntVar(&o.count, "count", 100, "begin with the last `N` events; 0: with all that are kept")
	c.Flags().StringVar(&o.since, "since", "", "begin with the events since `TIME`: "+sinceHelp)
	a.jsonFlag(c, "each event")
	return c
}

func (a *app) events(ctx context.Context, of string, o eventsOptions, counted bool) error {
	n, err := parseNameOrPath(of)
	if err != nil {
		return err
	}
	w := api.EventsWanted{Count: o.count, Follow: o.follow}
	if w.Since, err = a.beginning(o.count, counted, o.since); err != nil {
		return err
	}
	if w.Follow {
		return a.followEvents(ctx, n, w)
	}
	told := 0
	err = a.client().Events(ctx, n, w, func(e api.Event) error {
		told++
		return a.printEvent(e)
	})
	if err != nil || told > 0 || a.json {
		return err
	}
	return a.err.printf("nothing is recorded of %s", n)
}

// Times of waiting for a daemon that has ended.
const (
	firstReturn = 50 * time.Millisecond // before it is asked again; then ever longer
	returnPause = time.Second           // between two questions, at most
)

// followEvents prints events until ctx ends. A daemon that is started anew, about
// which there are events too, goes on where the one before was.
func (a *app) followEvents(ctx context.Context, n vm.Name, w api.EventsWanted) error {
	follows := false // a daemon has told of events, or would have
	for pause := firstReturn; ; pause = min(2*pause, returnPause) {
		err := a.client().Events(ctx, n, w, func(e api.Event) error {
			w.After, pause = e.Sequence, firstReturn
			return a.printEvent(e)
		})
		ended := errors.Is(err, client.ErrEnded)
		if !ended && !(follows && client.Gone(err)) {
			return err
		}
		if ended && !a.json {
			_ = a.err.printf("albatrossd has ended: waiting for the next") // nothing depends on it
		}
		if follows = true; w.After == 0 {
			w.Count = 0 // nothing was recorded of n: whatever is, is new
		}
		if !wait(ctx, pause) {
			return nil
		}
	}
}

func (a *app) printEvent(e api.Event) error {
	if a.json {
		return a.printJSON(describeEvent(e))
	}
	kind := a.out.paint(eventColour(e), fmt.Sprintf("%-14s", visible(e.Kind)))
	return a.out.printf("%s  %s  %s%s", e.At.Local().Format(lineTime), kind, e.Name, happening(e))
}

// happening tells what an event says beyond its kind and name: ": text (process 12)".
func happening(e api.Event) string {
	text := visible(e.Text)
	if e.Exit != nil {
		text = ending(api.Ended{Exit: *e.Exit, Reason: e.Text})
	}
	if text != "" {
		text = ": " + text
	}
	if e.PID != 0 {
		text += fmt.Sprintf(" (process %d)", e.PID)
	}
	return text
}

// eventColour is red for what somebody may have to look at.
func eventColour(e api.Event) colour {
	switch e.Kind {
	case api.EventRefused, api.EventStartFailed, api.EventBridgeGone, api.EventLost:
		return red
	case api.EventEnded:
		if e.Exit != nil && *e.Exit != (vm.Exit{}) && e.Text != api.StoppedOnRequest {
			return red
		}
	case api.EventCreated, api.EventReplaced, api.EventRestarted, api.EventStarted, api.EventBridgeBack, api.EventHostUp:
		return green
	case api.EventWaiting:
		return yellow
	}
	return plain
}

func describeEvent(e api.Event) jsonEvent {
	d := jsonEvent{Sequence: e.Sequence, Time: e.At, Kind: e.Kind, Name: e.Name, Text: e.Text, PID: e.PID, Request: e.Request}
	if e.Exit != nil {
		d.Signal = e.Exit.Signal
		if d.Signal == 0 {
			d.Code = &e.Exit.Code
		}
	}
	return d
}
