package host

import (
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/keeper"
	"albatross/internal/metrics"
	"albatross/internal/vm"
)

// counters count what has happened since the daemon started.
type counters struct {
	creates  metrics.Histogram // how long those took that succeeded
	refused  metrics.Tally     // creates that failed, by their codes
	exits    metrics.Tally     // by why
	restarts metrics.Tally     // by why the process before had ended
}

// Metrics returns what was counted, what runs, and who cannot tell of himself.
func (h *Host) Metrics() (api.HostMetrics, []api.OtherDaemon) {
	m := api.HostMetrics{
		Unikernels: []api.UnikernelMetrics{},
		Creates:    h.counts.creates.Read(),
		Refused:    h.counts.refused.Read(),
		Exits:      h.counts.exits.Read(),
		Restarts:   h.counts.restarts.Read(),
	}
	keeper := api.OtherDaemon{Name: "albatross-keeper"}
	if c, err := h.keeper.get(); err == nil {
		keeper.PID, _ = c.PID() // 0 where that cannot be told
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for n, u := range h.units {
		m.Unikernels = append(m.Unikernels, api.UnikernelMetrics{
			Name: n, Phase: phases[u.state.Phase], Target: u.record.Target.String(),
			Memory: u.record.Config.Memory, Restarts: u.state.Restarts,
		})
	}
	m.Policies = h.policiesOf(vm.Name{})
	return m, []api.OtherDaemon{keeper}
}

// countCreate counts a create that began then and ends now.
func (h *Host) countCreate(began time.Time, err *error) {
	if *err != nil {
		h.counts.refused.Add(string(api.AsError(*err).Code))
		return
	}
	h.counts.creates.Observe(time.Since(began))
}

// countExit counts the end of a run once, however often it is settled. The lock
// of the name is held.
func (h *Host) countExit(r *run, decision vm.Decision, reason string) {
	if r.counted {
		return
	}
	r.counted = true
	kind := exitKind(r, reason)
	h.counts.exits.Add(kind)
	if decision != vm.Drop {
		h.counts.restarts.Add(kind)
	}
}

// exitKind says why a run has ended, in one of a few words, by what judge made
// of it.
func exitKind(r *run, reason string) string {
	exit := exitOf(r.exit)
	switch {
	case reason == api.StoppedOnRequest:
		return api.ExitRequested
	case r.exit.Stopped == keeper.Keep:
		return api.ExitDaemon
	case r.lost:
		return api.ExitKeeper
	case strings.HasPrefix(reason, lackOfMemoryReason):
		return api.ExitMemory
	case exit.Signal != 0:
		return api.ExitSignal
	case exit.Code != 0:
		return api.ExitFailure
	}
	return api.ExitSuccess
}

// lackOfMemoryReason is what outOfMemory begins with.
const lackOfMemoryReason = "out of memory: "
