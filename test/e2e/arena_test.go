package e2e

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// arena is a path in which all operators want the same few names, under a policy
// that has no room for all of them.
type arena struct {
	path    vm.Path
	policy  vm.Policy
	names   []vm.Label
	made    []atomic.Int64 // creates that were obeyed less destroys that were, for each name
	refused atomic.Int64   // creates, by the policy
}

func newArena(cpus vm.Set[int]) *arena {
	a := &arena{
		path: vm.MakePath("arena"), names: []vm.Label{"red", "blue", "grey", "green", "black", "white"},
		policy: vm.Policy{Unikernels: 4, Memory: 60, CPUs: vm.MakeSet(cpus[0])},
	}
	a.made = make([]atomic.Int64, len(a.names))
	return a
}

// contend does something with a name that others want too. Which one of several
// answers comes is not its own doing, but what it means is counted.
func (o *operator) contend() {
	i := o.random.IntN(len(o.arena.names))
	n := vm.MakeName(o.arena.path, o.arena.names[i])
	switch o.random.IntN(8) {
	case 0:
		_, err := o.client.Restart(o.ctx, n, nil)
		if err != nil {
			o.answered(err, reasons{{api.NotFound, n.String()}}, "restart %v", n)
		}
	case 1, 2, 3:
		_, err := o.client.Destroy(o.ctx, n)
		if err != nil {
			o.answered(err, reasons{{api.NotFound, n.String()}}, "destroy %v", n)
			return
		}
		o.arena.made[i].Add(-1)
	default:
		im := pick(o.random, o.images.tickers)
		_, err := o.client.Create(o.ctx, client.Creation{
			Name: n, Image: bytes.NewReader(im.bytes), Size: int64(len(im.bytes)),
			Config: vm.Config{Arguments: vm.Arguments{
				CPUs: o.arena.policy.CPUs, NumCPUs: 1, Memory: pick(o.random, []int{10, 16, 24}), Argv: []string{"--interval=3600000"},
			}},
		})
		if err != nil {
			o.answered(err, reasons{{api.Exists, n.String()}, {api.Policy, policyAt(o.arena.path)}}, "create %v", n)
			if api.AsError(err).Code == api.Policy {
				o.arena.refused.Add(1)
			}
			return
		}
		o.arena.made[i].Add(1)
	}
}

// watch looks again and again whether more runs in the arena than its policy
// allows.
func (a *arena) watch(ctx context.Context, t *testing.T, w *world) {
	looks, most := 0, 0
	for ; ctx.Err() == nil; looks++ {
		s, err := w.client().State(context.WithoutCancel(ctx), vm.MakeName(a.path, ""))
		if err != nil {
			t.Error(err)
			return
		}
		memory := 0
		for _, u := range s.Unikernels {
			memory += u.Info.Memory
		}
		if n := len(s.Unikernels); n > a.policy.Unikernels || memory > a.policy.Memory {
			t.Errorf("%d unikernels of %d MB run under the policy %+v", n, memory, a.policy)
		}
		most = max(most, len(s.Unikernels))
	}
	t.Logf("%d looks into the arena saw up to %d unikernels", looks, most)
}
