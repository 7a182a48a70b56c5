package cgroup

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"albatross/internal/testutil"
)

// BenchmarkCreate makes a group with a limit, finds the way home, and removes the
// group: what a unikernel costs besides the start of its process.
func BenchmarkCreate(b *testing.B) {
	testutil.RequireRoot(b)
	r, err := Open("albatross", "bench-"+strconv.Itoa(os.Getpid()))
	if err != nil {
		b.Skip(err)
	}
	defer r.Close()
	n := 0
	for b.Loop() {
		n++
		id := fmt.Sprint("g", n)
		g, err := r.Create(id, Limits{Memory: 48 << 20})
		if err != nil {
			b.Fatal(err)
		}
		home, err := r.Home(os.Getpid())
		if err != nil {
			b.Fatal(err)
		}
		if err := home.Close(); err != nil {
			b.Fatal(err)
		}
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
		if err := r.Remove(id); err != nil {
			b.Fatal(err)
		}
	}
}
