package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"albatross/internal/api"
)

// unknown stands for what a daemon does not tell.
const unknown = "-"

// table lists unikernels. How they last ended is shown if any of them did.
func (a *app) table(all []api.Unikernel) error {
	headings := []string{"NAME", "STATE", "TARGET", "UPTIME", "MEM", "CPU", "PID", "RESTARTS", "NETWORK"}
	long := []int{0, 8}
	anyEnded := slices.ContainsFunc(all, func(u api.Unikernel) bool { return u.LastExit != nil })
	if anyEnded {
		headings, long = append(headings, "LAST EXIT"), append(long, 9)
	}
	g := newGrid(headings...)
	g.shorten(long...)
	for _, u := range all {
		row := []cell{
			text(u.Name.String()),
			{visible(u.Phase), phaseColour(u.Phase)},
			text(orUnknown(visible(u.Target))), text(a.uptime(u)),
			text(fmt.Sprintf("%d MB", u.Info.Memory)), text(ranges(u.Info.CPUs)), text(number(u.PID)),
			text(strconv.Itoa(u.Restarts)), text(networks(u)),
		}
		if anyEnded {
			row = append(row, text(lastExit(u)))
		}
		g.add(row...)
	}
	return g.print(a.out)
}

// endedTable lists unikernels that are gone.
func (a *app) endedTable(all []api.Ended) error {
	g := newGrid("ENDED", "WHEN", "HOW", "WHY")
	g.shorten(0, 3)
	for _, e := range all {
		g.add(text(e.Name.String()), text(a.ago(e.At)), text(exitOf(e)), text(visible(e.Reason)))
	}
	return g.print(a.out)
}

// exitOf tells how a process ended, unless that says nothing.
func exitOf(e api.Ended) string {
	if e.Reason == api.StoppedOnRequest {
		return unknown
	}
	return e.Exit.String()
}

// lastExit tells how the last run of u ended.
func lastExit(u api.Unikernel) string {
	if u.LastExit == nil {
		return unknown
	}
	return exitOf(*u.LastExit)
}

// ending tells how a run ended. Where that was wanted, it does not matter by
// which signal.
func ending(e api.Ended) string {
	if e.Reason == api.StoppedOnRequest {
		return e.Reason
	}
	return fmt.Sprintf("%s: %s", e.Exit, visible(e.Reason))
}

func phaseColour(phase string) colour {
	switch phase {
	case api.PhaseRunning:
		return green
	case api.PhaseWaiting:
		return red
	}
	return yellow
}

// uptime tells for how long a unikernel has run, or when it will again.
func (a *app) uptime(u api.Unikernel) string {
	switch {
	case u.Phase == api.PhaseWaiting && !u.Next.IsZero():
		return "in " + span(u.Next.Sub(a.now()))
	case u.Started.IsZero() || u.Phase == api.PhaseWaiting:
		return unknown
	}
	return span(a.now().Sub(u.Started))
}

// ago tells how long something is past.
func (a *app) ago(t time.Time) string { return span(a.now().Sub(t)) + " ago" }

// networks lists interfaces and bridges as --net has them, without addresses.
func networks(u api.Unikernel) string {
	var all []string
	for _, n := range u.Info.Nets {
		all = append(all, visible(n.Name+":"+n.Bridge))
	}
	return orUnknown(strings.Join(all, ","))
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

func number(n int) string {
	if n == 0 {
		return unknown
	}
	return fmt.Sprint(n)
}
