package metrics

import (
	"slices"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Each span is in the first bucket that it fits, and in no other.
func TestHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Histogram
		want := make([]uint64, len(bounds)+1)
		var sum time.Duration
		for _, micros := range rapid.SliceOf(rapid.Int64Range(0, 100e6)).Draw(t, "spans") {
			d := time.Duration(micros) * time.Microsecond
			h.Observe(d)
			sum += d
			i := 0
			for i < len(bounds) && d.Seconds() > bounds[i] {
				i++
			}
			want[i]++
		}
		got := h.Read()
		if diff := cmp.Diff(api.Histogram{Bounds: bounds, Counts: want, Sum: sum.Seconds()}, got); diff != "" {
			t.Error(diff)
		}
	})
	if !slices.IsSorted(bounds) {
		t.Error("the bounds do not ascend")
	}
}

func TestTallyAndConnections(t *testing.T) {
	var tally Tally
	var c Connections
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			tally.Add("a")
			closed := c.Open()
			tally.Add("b")
			closed()
			c.Open()
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[string]uint64{"a": 50, "b": 50}, tally.Read()); diff != "" {
		t.Error(diff)
	}
	if got := c.Read(); got != (api.Connections{Active: 50, Total: 100}) {
		t.Errorf("%+v", got)
	}
}
