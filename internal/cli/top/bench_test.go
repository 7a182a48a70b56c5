package top

import (
	"fmt"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
)

// BenchmarkThousand takes a sample of each of a thousand unikernels and draws the
// screen, as happens at every period.
func BenchmarkThousand(b *testing.B) {
	var s api.State
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("shop.web%d", i))
		s.Unikernels = append(s.Unikernels, unikernel(names[i], api.PhaseRunning, time.Hour, 0))
	}
	m := New(name("."), Look{Colours: true}, plainWords)
	m.Update(Resized{120, 40})
	m.Update(StateTold{s, noon})
	second := 0
	for b.Loop() {
		second++
		r := client.Round{At: noon.Add(time.Duration(second) * time.Second), Whole: true}
		for i, n := range names {
			r.Samples = append(r.Samples, sampleOf(n, second, int64(i%100), 100, 1000, 1000))
		}
		m.Update(RoundTold{r})
		if m.Screen() == "" {
			b.Fatal("nothing is to be seen")
		}
	}
}
