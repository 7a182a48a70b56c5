package cli

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"albatross/internal/client"
)

// consoleOptions are the flags of console.
type consoleOptions struct {
	follow     bool
	count      int
	since      string
	timestamps bool
	raw        bool
}

func (a *app) consoleCommand() *cobra.Command {
	var o consoleOptions
	c := &cobra.Command{
		Use:   "console [flags] NAME",
		Short: "Show what a unikernel writes",
		Long: `Console shows the last lines that a unikernel wrote, and with --follow all
that come until it is interrupted, or the unikernel has ended and will not be
started again. Control characters and bytes that are no UTF-8 are escaped, since
a unikernel may write anything to harm a terminal.`,
		Example: `  albatross console www
  albatross console -f www
  albatross console --since 10m www`,
		Args:              arguments(1, 1, "one NAME"),
		ValidArgsFunction: a.completeOne,
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("timestamps") {
				o.timestamps = a.out.terminal
			}
			return a.console(c.Context(), o, args[0], c.Flags().Changed("count"))
		},
	}
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what comes, until interrupted or it has ended for good")
	c.Flags().IntVar(&o.count, "count", 20, "begin with the last `N` lines")
	c.Flags().StringVar(&o.since, "since", "", "begin with the lines since `TIME`: as in 2026-01-02T15:04:05Z, or as long ago as 10m")
	c.Flags().BoolVar(&o.timestamps, "timestamps", false, "show when each line was written (default: on a terminal)")
	c.Flags().BoolVar(&o.raw, "raw", false, "print the bytes as they were written")
	a.jsonFlag(c, "each line")
	return c
}

func (a *app) console(ctx context.Context, o consoleOptions, name string, counted bool) error {
	n, err := parseName(name)
	if err != nil {
		return err
	}
	s := client.Subscription{Name: n, Count: o.count, Follow: o.follow}
	if s.Since, err = a.beginning(o.count, counted, o.since); err != nil {
		return err
	}
	if o.follow {
		return a.follow(ctx, s, o)
	}
	return a.recall(ctx, s, o)
}

// beginning reads --count, which may be given, and --since, and returns the time
// to begin at, or nil where the count says it.
func (a *app) beginning(count int, counted bool, since string) (*time.Time, error) {
	switch {
	case count < 0:
		return nil, usage("", "--count=%d is less than none", count)
	case since == "":
		return nil, nil
	case counted:
		return nil, usage("", "--count and --since are two ways to say where to begin: give one")
	}
	t, err := a.moment(since)
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// consoleStyle is how console prints unless told otherwise.
func (a *app) consoleStyle() consoleOptions { return consoleOptions{timestamps: a.out.terminal} }

// silent is what is said of a unikernel that has no console yet.
const silent = "%s has not written anything since the console daemon started"

// recall prints the lines that there are.
func (a *app) recall(ctx context.Context, s client.Subscription, o consoleOptions) error {
	unheard := false
	s.Waiting = func() { unheard = true }
	err := a.client().Console(ctx, s, func(l client.Line) error { return a.printLine(l, o) })
	if err != nil || !unheard {
		return err
	}
	w := watch{app: a, name: s.Name}
	if now, _ := w.look(ctx); now == nowhere {
		return noUnikernel(s.Name)
	}
	return a.err.printf(silent, s.Name)
}

// lineTime is how the time of a line is written.
const lineTime = "2006-01-02 15:04:05.000"

func (a *app) printLine(l client.Line, o consoleOptions) error {
	if a.json {
		return a.printJSON(describeLine(l))
	}
	text := l.Text
	if !o.raw {
		text = visible(text)
	}
	if o.timestamps {
		text = l.Time.Local().Format(lineTime) + "  " + text
	}
	_, err := a.out.Write([]byte(text + "\n"))
	return err
}

func describeLine(l client.Line) jsonLine {
	d := jsonLine{Name: l.Name, Time: l.Time, Line: l.Text}
	if !utf8.ValidString(l.Text) {
		d.Line, d.Raw = strings.ToValidUTF8(l.Text, string(utf8.RuneError)), []byte(l.Text)
	}
	return d
}

// moment reads a time, or a duration that is past. The protocol counts
// milliseconds.
func (a *app) moment(s string) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return a.now().Add(-d).Truncate(time.Millisecond), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, usage("it is a time like 2026-01-02T15:04:05Z, or a duration like 10m", "--since=%s is not understood", s)
	}
	return t.Truncate(time.Millisecond), nil
}
