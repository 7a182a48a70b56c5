package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"albatross/internal/api"
)

// unknown stands for what a daemon does not tell.
const unknown = "-"

// table lists unikernels.
func (a *app) table(all []api.Unikernel) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	// Every cell of a coloured column is painted, so that all have the same
	// invisible part.
	fmt.Fprintf(w, "NAME\t%s\tTARGET\tUPTIME\tMEM\tCPU\tPID\tRESTARTS\tNETWORK\n", a.out.paint(plain, "STATE"))
	for _, u := range all {
		state := a.out.paint(phaseColour(u.Phase), visible(u.Phase))
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d MB\t%s\t%s\t%d\t%s\n", u.Name, state, orUnknown(visible(u.Target)), a.uptime(u),
			u.Info.Memory, strings.ReplaceAll(u.Info.CPUs.String(), " ", ""), number(u.PID), u.Restarts, networks(u))
	}
	return w.Flush()
}

// endedTable lists unikernels that are gone.
func (a *app) endedTable(all []api.Ended) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "ENDED\tWHEN\tHOW\tWHY\n")
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Name, a.ago(e.At), e.Exit, visible(e.Reason))
	}
	return w.Flush()
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
