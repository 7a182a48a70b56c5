package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/events"
	"albatross/internal/request"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

// happened returns the events of n since the last host-up, without that, each as
// "kind name: text".
func (w *world) happened(n vm.Name) (told []string, all []api.Event) {
	w.t.Helper()
	must(w.t, w.host.Events().Read(w.t.Context(), events.Wanted{}, func(e api.Event) error {
		switch {
		case e.Kind == api.EventHostUp:
			told, all = nil, nil
		case n.Contains(e.Name):
			all = append(all, e)
			told = append(told, strings.TrimSuffix(fmt.Sprintf("%s %s: %s", e.Kind, e.Name, e.Text), ": "))
		}
		return nil
	}))
	return told, all
}

// wants waits until the events since the start of the daemon begin like these.
func (w *world) wants(n vm.Name, want ...string) {
	w.t.Helper()
	testutil.Eventually(w.t, 20*time.Second, func() error {
		told, _ := w.happened(n)
		same := slices.EqualFunc(told[:min(len(told), len(want))], want, func(got, want string) bool {
			begin, cut := strings.CutSuffix(want, "…")
			return got == want || cut && strings.HasPrefix(got, begin)
		})
		if !same {
			return fmt.Errorf("%s", cmp.Diff(want, told))
		}
		return nil
	})
}

// TestEventsOfAUnikernel from its creation to its destruction.
func TestEventsOfAUnikernel(t *testing.T) {
	w := newWorld(t)
	a := name(t, "a")
	must(t, w.create("a", "ticker", config(), false))
	first := w.state("a").PID
	if err := w.create("a", "ticker", config(), false); err == nil {
		t.Error("it is created twice")
	}
	must(t, w.create("a", "ticker", config(), true))
	ctx := request.With(t.Context(), "abc")
	must(t, w.host.Restart(ctx, a, nil))
	last := w.state("a").PID
	_, err := w.host.Destroy(ctx, a)
	must(t, err)
	w.wants(vm.Name{},
		"created a: spt, 16 MB, quit",
		"refused a: create: a unikernel a exists already",
		"ended a: stopped on request", "replaced a: spt, 16 MB, quit",
		"ended a: stopped on request", "restarted a: spt, 16 MB, quit",
		"ended a: stopped on request", "destroyed a",
	)
	_, all := w.happened(a)
	if e := all[0]; e.PID != first || e.Request != "" {
		t.Errorf("%+v, want process %d", e, first)
	}
	if e := all[2]; e.PID != first || e.Exit == nil || e.Exit.Signal != 9 {
		t.Errorf("%+v, want the end of process %d", e, first)
	}
	if e := all[5]; e.PID != last || e.Request != "abc" {
		t.Errorf("%+v, want process %d, and the request", e, last)
	}
	if e := all[7]; e.PID != 0 || e.Request != "abc" {
		t.Errorf("%+v, want the request", e)
	}
}

// TestEventsOfACrashLoop tells every end, and what it leads to.
func TestEventsOfACrashLoop(t *testing.T) {
	w := newWorld(t)
	cfg := config("3")
	cfg.Fail = vm.Fail{Mode: vm.FailOnFailure}
	must(t, w.create("loop", "exit", cfg, false))
	const end = "ended loop: the unikernel ended with a code of its own"
	w.wants(name(t, "loop"), "created loop: spt, 16 MB, restart on failure", end, "started loop", end, "waiting loop: starts again in 1s")
	must(t, w.create("once", "exit", config("3"), false))
	w.wants(name(t, "once"), "created once…", "ended once…", "dropped once: not to be started again")
	_, all := w.happened(name(t, "once"))
	if e := all[1]; e.Exit == nil || *e.Exit != (vm.Exit{Code: 3}) || e.PID != all[0].PID {
		t.Errorf("%+v, want exit code 3 of process %d", e, all[0].PID)
	}
}

// TestEventsOfTheRest: policies, block devices, and what is refused of them.
func TestEventsOfTheRest(t *testing.T) {
	w := newWorld(t)
	ctx := request.With(t.Context(), "abc")
	path, disk, block := name(t, "p."), name(t, "p.disk"), 3
	p := vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 64, Block: &block}
	for range 2 {
		_, err := w.host.SetPolicy(t.Context(), path.Path(), p, Here)
		must(t, err)
	}
	must(t, w.host.AddBlock(ctx, disk, 2))
	if err := w.host.AddBlock(ctx, name(t, "p.more"), 2); err == nil {
		t.Error("the policy is exceeded")
	}
	must(t, w.host.SetBlock(ctx, disk, strings.NewReader("content"), false))
	must(t, w.host.RemoveBlock(ctx, disk))
	must(t, w.host.RemovePolicy(t.Context(), path.Path()))
	if err := w.host.RemovePolicy(t.Context(), path.Path()); err == nil {
		t.Error("a policy is removed that is not there")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	w.host.Refused(gone, "create", disk, gone.Err()) // which nobody has refused
	w.wants(path,
		"policy-set p.: unikernels 1, memory 64 MB, CPUs 0, block devices 3 MB",
		"block-added p.disk: 2 MB", "refused p.more: create-block: policy p allows 3 MB of block storage: 2 MB in use, 2 MB asked for",
		"block-set p.disk", "block-removed p.disk", "policy-removed p.", "refused p.: remove-policy: there is no policy …",
	)
	if told, all := w.happened(path); len(told) != 7 || all[1].Request != "abc" {
		t.Errorf("%q, %+v", told, all)
	}
}

// TestEventsOfTheHost: what a daemon finds, what it leaves, and a shutdown.
func TestEventsOfTheHost(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	must(t, w.create("b", "ticker", config(), false))
	var last []string
	lastOnes := func() []string {
		last = nil
		must(t, w.host.Events().Read(t.Context(), events.Wanted{}, func(e api.Event) error {
			if e.Name == (vm.Name{}) {
				last = append(last, e.Kind+": "+e.Text)
			}
			return nil
		}))
		return last
	}
	w.close()
	w.open()
	if _, err := w.host.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	w.close()
	w.open()
	want := []string{"host-up: 0 running, 0 to start", "host-closed: 2 run on", "host-up: 2 running, 0 to start", "host-down: 2 stopped", "host-up: 0 running, 2 to start"}
	if diff := cmp.Diff(want, lastOnes()); diff != "" {
		t.Error(diff)
	}
	w.wants(name(t, "a"), "started a")
	w.wants(name(t, "b"), "started b")
}
