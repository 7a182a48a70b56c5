package host

import (
	"fmt"
	"sync"
	"testing"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// TestPlacedOnLeastUsedCPU creates many at once that leave the CPU to the host.
func TestPlacedOnLeastUsedCPU(t *testing.T) {
	w := newWorld(t)
	if len(w.host.cpus) < 2 {
		t.Skip("there is one CPU only")
	}
	cfg := config()
	cfg.CPUs = nil
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := w.create(fmt.Sprint("u", i), "ticker", cfg, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	on := map[int]int{}
	for _, u := range w.host.State(vm.Name{}).Unikernels {
		if len(u.Info.CPUs) != 1 {
			t.Fatalf("%s is on %v", u.Name, u.Info.CPUs)
		}
		on[u.Info.CPUs[0]]++
	}
	for _, c := range w.host.cpus {
		if want := 8 / len(w.host.cpus); on[c] < want || on[c] > want+1 {
			t.Errorf("CPU %d has %d of 8", c, on[c])
		}
	}
	one := w.host.cpus[1]
	p := vm.Policy{Unikernels: 4, Memory: 100, CPUs: vm.MakeSet(one)}
	_, err := w.host.SetPolicy(t.Context(), name(t, "p.").Path(), p, Here)
	must(t, err)
	must(t, w.create("p.a", "ticker", cfg, false))
	if s := w.state("p.a"); !s.Info.CPUs.Equal(vm.MakeSet(one)) {
		t.Errorf("the policy allows CPU %d, it is on %v", one, s.Info.CPUs)
	}
	cfg.CPUs = vm.MakeSet(w.host.cpus[0])
	wantCode(t, w.create("p.b", "ticker", cfg, false), api.Policy, "CPU")
	must(t, w.host.RemovePolicy(t.Context(), name(t, "p.").Path()))
}
