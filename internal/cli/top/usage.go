package top

import (
	"time"

	"albatross/internal/client"
)

// remembered is how many samples a history has.
const remembered = 240

// history is how something was, the latest last.
type history struct{ values []float64 }

func (h *history) add(v float64) {
	h.values = append(h.values, v)
	if len(h.values) > 2*remembered {
		h.values = append(h.values[:0], h.values[len(h.values)-remembered:]...)
	}
}

// last returns the last n values, or as many as there are.
func (h *history) last(n int) []float64 {
	n = min(max(n, 0), remembered)
	return h.values[max(0, len(h.values)-n):]
}

// usage is what a unikernel uses.
type usage struct {
	sample client.Sample // the last one
	at     time.Time

	samples int // that came

	known bool // rates are: of this process there are two samples
	rates client.Rates

	cpu     history // CPUs
	traffic history // bytes a second, in both directions
}

// add takes the next sample.
func (u *usage) add(s client.Sample, at time.Time) {
	before := at.Sub(u.at)
	if !u.at.IsZero() && before <= 0 {
		return // late
	}
	if u.known = false; !u.at.IsZero() {
		u.rates, u.known = s.Since(u.sample, before)
	}
	u.sample, u.at = s, at
	u.samples++
	if u.known {
		u.cpu.add(u.rates.CPU)
		u.traffic.add(u.rates.Received + u.rates.Sent)
	}
}
