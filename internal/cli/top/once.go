package top

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
)

// errEnough ends what is watched.
var errEnough = errors.New("enough samples")

// Once writes the table to Out once, with all that runs: what is used is measured
// for as long as Every says. Lines are not wider than width; 0: any.
func Once(ctx context.Context, o Options, width int) error {
	s, err := o.Client.State(ctx, o.Of)
	if err != nil {
		return err
	}
	m := New(o.Of, o.Look, o.Words)
	m.Update(StateTold{s, time.Now()})
	rounds := 0
	err = o.Client.Watch(ctx, client.Watching{Name: o.Of, Every: o.Every}, func(r client.Round) error {
		m.Update(RoundTold{r})
		if rounds++; r.Whole && rounds > 1 || !r.Whole && m.measured() {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.Update(Clock{time.Now()})
	_, err = io.WriteString(o.Out, m.Table(width))
	return err
}

// measured reports whether all unikernels that run have been measured, as far as
// they will be: where samples come one by one, each has come before one comes again.
func (m *Model) measured() bool {
	all := true
	for _, r := range m.rows {
		if r.use != nil && r.use.samples > 2 {
			return true
		}
		all = all && (r.Phase != api.PhaseRunning || r.use != nil && r.use.known)
	}
	return all
}

// Table returns the whole table as lines that are not wider than width; 0: any.
func (m *Model) Table(width int) string {
	var cols []column
	for _, c := range columns() {
		if !c.history {
			cols = append(cols, c)
		}
	}
	cols, name := fitting(cols, m.longest(), width)
	lines := []string{m.heading(cols, name), m.totalLine(cols, name)}
	for _, r := range m.rows {
		lines = append(lines, m.line(r, cols, name, false))
	}
	var b strings.Builder
	for _, line := range lines {
		if line = strings.TrimPrefix(line, strings.Repeat(" ", marker)); width > 0 {
			line = m.look.cut(line, width)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
