package metrics

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"albatross/internal/api"
)

// bounds of what is told apart, in seconds: a create takes a few milliseconds
// where the image is small, and minutes where it comes from afar.
var bounds = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60}

// Histogram counts spans of time by how long they are.
type Histogram struct {
	mu     sync.Mutex // guards what follows
	counts []uint64
	sum    time.Duration
}

// Observe adds one.
func (h *Histogram) Observe(d time.Duration) {
	i, _ := slices.BinarySearch(bounds, d.Seconds()) // a bound belongs to what is below it
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts == nil {
		h.counts = make([]uint64, len(bounds)+1)
	}
	h.counts[i]++
	h.sum += d
}

// Read returns what was counted.
func (h *Histogram) Read() api.Histogram {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := make([]uint64, len(bounds)+1)
	copy(counts, h.counts)
	return api.Histogram{Bounds: slices.Clone(bounds), Counts: counts, Sum: h.sum.Seconds()}
}

// Tally counts by kinds, of which there are a few.
type Tally struct {
	mu     sync.Mutex
	counts map[string]uint64 // guarded by mu
}

// Add adds one.
func (t *Tally) Add(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]uint64{}
	}
	t.counts[kind]++
}

// Read returns what was counted.
func (t *Tally) Read() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// Connections counts those of one kind.
type Connections struct{ active, total atomic.Int64 }

// Open adds one, and returns what is to be called at its end.
func (c *Connections) Open() (closed func()) {
	c.active.Add(1)
	c.total.Add(1)
	return func() { c.active.Add(-1) }
}

// Read returns what was counted.
func (c *Connections) Read() api.Connections {
	return api.Connections{Active: c.active.Load(), Total: c.total.Load()}
}
