package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/client"
)

// consoleOptions are the flags of console.
type consoleOptions struct {
	follow     bool
	all        bool
	count      int
	since      string
	grep       string
	timestamps bool
	raw        bool

	pattern *regexp.Regexp // of grep; nil: all lines are shown
}

func (a *app) consoleCommand() *cobra.Command {
	var o consoleOptions
	c := &cobra.Command{
		Use:   "console [flags] NAME | --all [PATH]",
		Short: "Show what unikernels write",
		Long: `Console shows the last lines that a unikernel wrote, and with --follow all
that come until it is interrupted, or the unikernel has ended and will not be
started again. With --all it shows those of all unikernels at and below a PATH,
or on the whole host, in the order of their times. What is kept survives the
unikernel, the daemons and the host, and a name that is used again goes on with
what it had.

Control characters and bytes that are no UTF-8 are escaped, since a unikernel
may write anything to harm a terminal.`,
		Example: `  albatross console www
  albatross console -f www
  albatross console --since yesterday --grep 'error|panic' www
  albatross console --all -f shop.`,
		Args:              arguments(0, 1, "one NAME, or with --all one PATH"),
		ValidArgsFunction: a.completeOf,
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("timestamps") {
				o.timestamps = a.out.terminal
			}
			return a.console(c.Context(), o, args, c.Flags().Changed("count"), "usage: "+c.UseLine())
		},
	}
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what comes, until interrupted or it has ended for good")
	c.Flags().BoolVarP(&o.all, "all", "a", false, "show all unikernels at and below a PATH (default: the whole host), merged by time")
	c.Flags().IntVar(&o.count, "count", 20, "begin with the last `N` lines")
	c.Flags().StringVar(&o.since, "since", "", "begin with the lines since `TIME`: "+sinceHelp)
	c.Flags().StringVar(&o.grep, "grep", "", "show only lines that match a regular `EXPRESSION`, and where lines are missing, of all that are kept unless --count or --since says where to begin")
	c.Flags().BoolVar(&o.timestamps, "timestamps", false, "show when each line was written (default: on a terminal)")
	c.Flags().BoolVar(&o.raw, "raw", false, "print the bytes as they were written")
	a.jsonFlag(c, "each line")
	return c
}

func (a *app) console(ctx context.Context, o consoleOptions, args []string, counted bool, line string) error {
	since, err := a.beginning(o.count, counted, o.since)
	if err != nil {
		return err
	}
	if o.grep != "" {
		if o.pattern, err = regexp.Compile(o.grep); err != nil {
			return usage("for the syntax see: https://pkg.go.dev/regexp/syntax", "--grep: %v", err)
		}
		if since == nil && !counted {
			since = &time.Time{}
		}
	}
	switch {
	case o.all:
		of := "."
		if len(args) == 1 {
			of = args[0]
		}
		return a.consoles(ctx, of, api.ConsolesWanted{Since: since, Count: o.count, Follow: o.follow}, o)
	case len(args) == 0:
		return usage(line, "console needs one NAME, or --all")
	}
	n, err := parseName(args[0])
	if err != nil {
		return err
	}
	s := client.Subscription{Name: n, Since: since, Count: o.count, Follow: o.follow}
	if o.follow {
		return a.follow(ctx, s, o)
	}
	return a.recall(ctx, s, o)
}

// consoles prints lines of all unikernels at and below a path.
func (a *app) consoles(ctx context.Context, of string, w api.ConsolesWanted, o consoleOptions) error {
	p, err := parsePath(of)
	if err != nil {
		return err
	}
	known, err := a.client().Consoles(ctx, p.Path(), w, func(l client.Line) error { return a.printLine(l, o) })
	if err != nil || known || w.Follow || a.json {
		return err
	}
	return a.err.printf("no unikernel has written anything at or below %s", p)
}

// consoleStyle is how console prints unless told otherwise.
func (a *app) consoleStyle() consoleOptions { return consoleOptions{timestamps: a.out.terminal} }

// silent is what is said of a unikernel that has no console yet.
const silent = "%s has not written anything yet"

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
	if o.pattern != nil && !o.pattern.MatchString(l.Text) && !tellsOfDropped(l.Text) {
		return nil
	}
	if a.json {
		return a.printLineJSON(l)
	}
	text := l.Text
	if !o.raw {
		text = visible(text)
	}
	if o.all {
		text = a.out.paint(green, l.Name.String()+":") + " " + text
	}
	if o.timestamps {
		text = l.Time.Local().Format(lineTime) + "  " + text
	}
	_, err := a.out.Write([]byte(text + "\n"))
	return err
}

// tellsOfDropped reports whether a line is what the daemon sends in place of lines that
// are missing, of which nobody knows whether they match.
func tellsOfDropped(text string) bool {
	text, begins := strings.CutPrefix(text, "[")
	number, ends := strings.CutSuffix(text, " lines dropped]")
	_, err := strconv.ParseUint(number, 10, 64)
	return begins && ends && err == nil
}

// printLineJSON prints a line as JSON, which leaves some control characters as they are:
// these are escaped as well.
func (a *app) printLineJSON(l client.Line) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(describeLine(l)); err != nil {
		return err
	}
	var visible []byte
	for _, r := range b.String() {
		if r < utf8.RuneSelf && r != 0x7f || shown(r) {
			visible = utf8.AppendRune(visible, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			visible = fmt.Appendf(visible, `\u%04x`, unit)
		}
	}
	_, err := a.out.Write(visible)
	return err
}

func describeLine(l client.Line) jsonLine {
	d := jsonLine{Name: l.Name, Time: l.Time, Line: l.Text}
	if !utf8.ValidString(l.Text) {
		d.Line, d.Raw = strings.ToValidUTF8(l.Text, string(utf8.RuneError)), []byte(l.Text)
	}
	return d
}
