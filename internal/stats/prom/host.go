package prom

import (
	"maps"
	"math"
	"slices"
	"strings"

	"albatross/internal/api"
)

const (
	mega = 1 << 20
	// unlimited is what no real limit reaches: the root policy allows 2^62-1
	// unikernels.
	unlimited = 1 << 61
)

// writeHost writes what albatrossd counts.
func (p *page) writeHost(h *api.HostMetrics) {
	slices.SortFunc(h.Unikernels, func(a, b api.UnikernelMetrics) int { return strings.Compare(a.Name.Wire(), b.Name.Wire()) })
	p.writeStates(h.Unikernels)
	p.writePolicies(h.Policies)
	p.family("albatross_create_duration_seconds", histogram, "How long creates took until the unikernel ran and its record was durable.")
	p.histogram(h.Creates)
	p.tally("albatross_creates_refused_total", "code", "Creates that failed.", h.Refused, refusals...)
	p.tally("albatross_exits_total", "reason", "Ends of unikernels' processes.", h.Exits, exitReasons...)
	p.tally("albatross_restarts_total", "reason", "Ends of unikernels' processes after which they were started again.", h.Restarts, exitReasons...)
}

// exitReasons are there from the beginning, so that rates know of the first.
var exitReasons = []string{
	api.ExitSuccess, api.ExitFailure, api.ExitSignal, api.ExitMemory, api.ExitRequested, api.ExitKeeper, api.ExitDaemon,
}

// refusals are likewise.
var refusals = []string{
	string(api.Invalid), string(api.Image), string(api.Manifest), string(api.Policy), string(api.Exists), string(api.NotFound),
	string(api.InUse), string(api.Resource), string(api.Denied), string(api.Unavailable), string(api.Internal),
}

var phases = []string{api.PhaseStarting, api.PhaseRunning, api.PhaseStopping, api.PhaseWaiting}

func (p *page) writeStates(all []api.UnikernelMetrics) {
	count := map[string]float64{}
	for _, u := range all {
		count[u.Phase]++
	}
	p.family("albatross_unikernels", gauge, "How many unikernels are in a phase.")
	for _, phase := range phases {
		p.sample(labels("phase", phase), count[phase])
	}
	each := func(name, kind, help string, value func(api.UnikernelMetrics) float64, more func(api.UnikernelMetrics) []string) {
		if len(all) == 0 {
			return
		}
		p.family(name, kind, help)
		for _, u := range all {
			var pairs []string
			if more != nil {
				pairs = more(u)
			}
			p.sample(nameLabels(u.Name), value(u), pairs...)
		}
	}
	each("albatross_unikernel_info", gauge, "1 for each unikernel, with its phase and target.",
		func(api.UnikernelMetrics) float64 { return 1 },
		func(u api.UnikernelMetrics) []string { return []string{"phase", u.Phase, "target", u.Target} })
	each("albatross_unikernel_memory_limit_bytes", gauge, "Memory of the guest, as it was created.",
		func(u api.UnikernelMetrics) float64 { return float64(u.Memory) * mega }, nil)
	each("albatross_unikernel_restarts_total", counter, "How often the unikernel was started again since it was created.",
		func(u api.UnikernelMetrics) float64 { return float64(u.Restarts) }, nil)
}

func (p *page) writePolicies(all []api.PolicyUse) {
	each := func(name, help string, value func(api.PolicyUse) (float64, bool)) {
		begun := false
		for _, u := range all {
			v, ok := value(u)
			if !ok {
				continue
			}
			if !begun {
				p.family(name, gauge, help)
				begun = true
			}
			p.sample(labels("path", u.Path.String()), v)
		}
	}
	each("albatross_policy_unikernels_limit", "How many unikernels the policy of a path allows at and below it.", func(u api.PolicyUse) (float64, bool) {
		if u.Limits.Unikernels >= unlimited {
			return math.Inf(1), true
		}
		return float64(u.Limits.Unikernels), true
	})
	each("albatross_policy_unikernels_used", "How many unikernels there are at and below the path.", func(u api.PolicyUse) (float64, bool) { return float64(u.Use.Unikernels), true })
	each("albatross_policy_memory_limit_bytes", "How much memory the policy of a path allows.", func(u api.PolicyUse) (float64, bool) { return float64(u.Limits.Memory) * mega, true })
	each("albatross_policy_memory_used_bytes", "How much memory the unikernels at and below the path have.", func(u api.PolicyUse) (float64, bool) { return float64(u.Use.Memory) * mega, true })
	each("albatross_policy_block_limit_bytes", "How much storage the policy of a path allows.", func(u api.PolicyUse) (float64, bool) {
		if u.Limits.Block == nil {
			return 0, true
		}
		return float64(*u.Limits.Block) * mega, true
	})
	each("albatross_policy_block_used_bytes", "How much storage the block devices at and below the path have.", func(u api.PolicyUse) (float64, bool) { return float64(u.Use.Block) * mega, true })
	each("albatross_policy_cpus_limit", "How many CPUs the policy of a path allows.", func(u api.PolicyUse) (float64, bool) { return float64(len(u.Limits.CPUs)), true })
}

// histogram writes the samples of one.
func (p *page) histogram(h api.Histogram) {
	var sum uint64
	for i, n := range h.Counts {
		sum += n
		bound := math.Inf(1)
		if i < len(h.Bounds) {
			bound = h.Bounds[i]
		}
		p.suffixed("_bucket", labels("le", string(appendNumber(nil, bound))), float64(sum))
	}
	p.suffixed("_sum", "", h.Sum)
	p.suffixed("_count", "", float64(sum))
}

// tally writes counts by kinds; those that are always there begin with 0.
func (p *page) tally(name, label, help string, counts map[string]uint64, always ...string) {
	kinds := slices.Concat(always, slices.Collect(maps.Keys(counts)))
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	if len(kinds) == 0 {
		return
	}
	p.family(name, counter, help)
	for _, kind := range kinds {
		p.sample(labels(label, kind), float64(counts[kind]))
	}
}
