package host

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/events"
	"albatross/internal/keeper"
	"albatross/internal/request"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// Events returns the log of what happened.
func (h *Host) Events() *events.Log { return h.events }

// event records what happened. It writes to a file, so Host.mu must not be held.
func (h *Host) event(e api.Event) {
	if h.events != nil { // the host was opened as far as that
		h.events.Append(e)
	}
}

// done records that what ctx has asked for was done.
func (h *Host) done(ctx context.Context, kind string, n vm.Name, text string) {
	h.event(api.Event{Kind: kind, Name: n, Text: text, Request: request.ID(ctx)})
}

// ran records that a unikernel runs as ctx has asked for. The lock of its name is
// held.
func (h *Host) ran(ctx context.Context, kind string, record store.Unikernel) {
	c := record.Config
	h.event(api.Event{
		Kind: kind, Name: record.Name, PID: h.pid(record.Name), Request: request.ID(ctx),
		Text: fmt.Sprintf("%v, %d MB, %v", record.Target, c.Memory, c.Fail),
	})
}

// pid returns the process of a unikernel, or 0.
func (h *Host) pid(n vm.Name) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if u := h.units[n]; u != nil && u.run != nil {
		return u.run.process.PID
	}
	return 0
}

// Refused records that what ctx has asked for was refused, or failed; nothing if
// err is nil, or if it was given up.
func (h *Host) Refused(ctx context.Context, what string, n vm.Name, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	h.done(ctx, api.EventRefused, n, what+": "+api.AsError(err).Sentence)
}

// startedAgain records how it went to start u, which has run before. The lock of
// its name is held.
func (h *Host) startedAgain(u *unit, err error) {
	e := api.Event{Kind: api.EventStarted, Name: u.record.Name, PID: h.pid(u.record.Name)}
	if err != nil {
		e.Kind, e.PID, e.Text = api.EventStartFailed, 0, api.AsError(err).Sentence
	}
	h.event(e)
}

// endEvent describes the end of a run, which ctx may have asked for; it happened
// before it is recorded.
func endEvent(ctx context.Context, r *run, exit vm.Exit, reason string) api.Event {
	return api.Event{
		At: r.exit.Ended, Kind: api.EventEnded, Name: r.unit.record.Name, PID: r.exit.PID, Exit: &exit, Text: reason,
		Request: request.ID(ctx),
	}
}

// dropped records that u is gone since its run r has ended, which nobody waits
// for.
func (h *Host) dropped(u *unit, r *run) {
	text := "not to be started again"
	if r.exit.Stopped == keeper.Drop {
		text = "its destruction was begun before and is finished"
	}
	h.event(api.Event{Kind: api.EventDropped, Name: u.record.Name, Text: text})
}

// willStart records that u starts after some time. That it starts at once is told
// by its start.
func (h *Host) willStart(u *unit, delay time.Duration) {
	if delay > 0 {
		h.event(api.Event{Kind: api.EventWaiting, Name: u.record.Name, Text: fmt.Sprintf("starts again in %v", delay)})
	}
}

// removedLeftover records that something nobody needs was removed. n is the
// unikernel it was for, or the root.
func (h *Host) removedLeftover(n vm.Name, format string, args ...any) {
	h.event(api.Event{Kind: api.EventLeftover, Name: n, Text: fmt.Sprintf(format, args...)})
}

// hostUp records that the daemon has taken over, and how many unikernels.
func (h *Host) hostUp(running, start int) {
	h.up = true
	h.event(api.Event{Kind: api.EventHostUp, Text: fmt.Sprintf("%d running, %d to start", running, start)})
}

// hostDown records that all unikernels were stopped.
func (h *Host) hostDown(ctx context.Context, stopped int, err error) {
	text := fmt.Sprintf("%d stopped", stopped)
	if err != nil {
		text += "; not all: " + api.AsError(err).Sentence
	}
	h.done(ctx, api.EventHostDown, vm.Name{}, text)
}

// closeEvents records that the daemon ends, if it was told that it began, and
// closes the log.
func (h *Host) closeEvents() error {
	if h.events == nil {
		return nil
	}
	h.mu.Lock()
	down, running := h.down, len(h.runs)
	h.mu.Unlock()
	if h.up && !down {
		h.event(api.Event{Kind: api.EventHostClosed, Text: fmt.Sprintf("%d run on", running)})
	}
	return h.events.Close()
}

// limits describes a policy.
func limits(p vm.Policy) string {
	unikernels := strconv.Itoa(p.Unikernels)
	if p.Unikernels == rootUnikernels {
		unikernels = "any"
	}
	all := []string{fmt.Sprintf("unikernels %s, memory %d MB, CPUs %v", unikernels, p.Memory, p.CPUs)}
	if p.Block != nil {
		all = append(all, fmt.Sprintf("block devices %d MB", *p.Block))
	}
	if len(p.Bridges) > 0 {
		all = append(all, "bridges "+strings.Join(p.Bridges, " "))
	}
	return strings.Join(all, ", ")
}
