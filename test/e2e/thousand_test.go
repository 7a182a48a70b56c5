package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// seedEnv repeats a run of TestThousandOperations: to have the same operations,
// though not the same order among clients.
const seedEnv = "ALBATROSS_SEED"

// TestThousandOperations has 16 clients do what chance says, each below a path of
// its own, where its model knows every answer, and all of them in one path, where
// they want the same things. In the end everything is as the models say, also for
// a daemon that was started again.
func TestThousandOperations(t *testing.T) {
	testutil.RequireTap(t)
	const operations, clients = 1000, 16
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(seedEnv); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		must(t, err)
	}
	t.Logf("%s=%d", seedEnv, seed)
	testutil.AddBridge(t, allowedBridge, "")
	testutil.AddBridge(t, forbiddenBridge, "")
	w := newWorld(t)
	operators := newOperators(t, w, clients, seed)
	ctx, stop := context.WithCancel(t.Context())
	var sampling, working sync.WaitGroup
	sampling.Go(func() { operators[0].arena.watch(ctx, t, w) })
	for i, o := range operators {
		working.Go(func() {
			for done := i; done < operations && !t.Failed(); done += clients {
				o.operate()
			}
		})
	}
	working.Wait()
	stop()
	sampling.Wait()
	if t.Failed() {
		t.FailNow()
	}
	if a := operators[0].arena; a.refused.Load() == 0 {
		t.Error("nobody ever wanted more than the policy of the arena allows")
	}
	want, runs := w.expected(operators), w.steadyRuns()
	w.wantPicture(want)
	for _, o := range operators {
		for n, unit := range o.model.units {
			if pid := runs[n.Wire()].PID; pid != unit.pid {
				t.Errorf("%v is process %d, and was %d after the last change of it", n, pid, unit.pid)
			}
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		w.killAndAwait("albatrossd", sig)
		w.wantPicture(want)
		if diff := cmp.Diff(runs, w.steadyRuns()); diff != "" {
			t.Errorf("after %v of albatrossd (-before +after):\n%s", sig, diff)
		}
	}
}

// newOperators sets the policies that clients share, and returns the clients.
func newOperators(t *testing.T, w *world, n int, seed uint64) []*operator {
	t.Helper()
	c := w.client()
	all, err := c.Policies(t.Context(), vm.Path{})
	must(t, err)
	host := all[0].Value
	arena := newArena(host.CPUs)
	wide := vm.Policy{
		Unikernels: 1000, Memory: 1 << 20, CPUs: arena.policy.CPUs, Block: new(1 << 20), Bridges: vm.MakeSet(allowedBridge),
	}
	dry, load := wide, vm.MakePath("load")
	dry.Bridges = nil
	shared := map[vm.Path]vm.Policy{load: wide, load.Append("wet"): wide, load.Append("dry"): dry}
	for at, p := range maps.All(shared) {
		_, err := c.AddPolicy(t.Context(), at, p)
		must(t, err)
	}
	_, err = c.AddPolicy(t.Context(), arena.path, arena.policy)
	must(t, err)
	var operators []*operator
	for i := range n {
		above := load.Append([]vm.Label{"wet", "dry"}[i%2])
		operators = append(operators, &operator{
			t: t, ctx: t.Context(), client: c, random: rand.New(rand.NewPCG(seed, uint64(i))),
			base: above.Append(vm.Label(fmt.Sprintf("client%d", i))), images: newOperatorImages(t, host.CPUs, i), arena: arena,
			model: model{
				host: host, shared: map[vm.Path]vm.Policy{load: shared[load], above: shared[above]},
				policies: map[vm.Path]vm.Policy{}, units: map[vm.Name]modelUnit{}, disks: map[vm.Name][]byte{},
			},
		})
	}
	return operators
}
