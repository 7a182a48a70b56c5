package host

import (
	"context"
	"fmt"
	"testing"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// from returns the policies of a chain of delegations, deepest first; the last allows
// 9 unikernels.
func from(t *testing.T, unikernels int, paths ...string) (all []pki.PathPolicy) {
	t.Helper()
	for i, p := range paths {
		if i > 0 && i == len(paths)-1 {
			unikernels = 9
		}
		all = append(all, pki.PathPolicy{Path: name(t, p).Path(), Policy: vm.Policy{Unikernels: unikernels, Memory: 1000, CPUs: vm.MakeSet(0), Block: new(5)}})
	}
	return all
}

// crowded enters delegations to nobody, so that there are n policies at and below
// alice, itself included, without a commit for each.
func (w *world) crowded(n int) {
	w.t.Helper()
	_, err := w.host.SetPolicy(w.t.Context(), name(w.t, "alice.").Path(), from(w.t, 9, "alice.")[0].Policy, Afar)
	must(w.t, err)
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	for i := range n - 1 {
		p := from(w.t, 1, fmt.Sprintf("alice.n%d.", i))[0]
		w.host.tree.Restore(p.Path, p.Policy)
		w.host.afar[p.Path] = true
	}
}

// below returns how many policies there are at and below alice.
func (w *world) below() int {
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	return len(w.host.tree.List(name(w.t, "alice.").Path()))
}

func (w *world) hasPolicy(path string) bool {
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	_, there := w.host.tree.Policy(name(w.t, path).Path())
	return there
}

func (w *world) delegate(unikernels int, paths ...string) func() {
	w.t.Helper()
	release, err := w.host.Delegate(w.t.Context(), from(w.t, unikernels, paths...))
	must(w.t, err)
	return release
}

// TestTooManyDelegations has somebody delegate to more than there can be: what limits
// nothing makes room, what limits something stays, here and after a restart.
func TestTooManyDelegations(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.delegate(2, "alice.used.", "alice.")()
	must(t, w.create("alice.used.www", "ticker", config(), false))
	w.delegate(2, "alice.stored.", "alice.")()
	must(t, w.host.AddBlock(ctx, name(t, "alice.stored.disk"), 1))
	t.Cleanup(func() { must(t, w.host.RemoveBlock(context.Background(), name(t, "alice.stored.disk"))) })
	w.delegate(2, "alice.pinned.", "alice.")()
	must(t, w.host.Pin(name(t, "alice.pinned.").Path(), true))
	w.delegate(2, "alice.claimed.", "alice.")()
	changed, err := w.host.SetPolicy(ctx, name(t, "alice.claimed.").Path(), from(t, 2, "alice.claimed.")[0].Policy, Here)
	if err != nil || changed {
		t.Errorf("what is there already is set: %t, %v", changed, err)
	}
	must(t, w.host.RemovePolicy(ctx, name(t, "alice.pinned.").Path()))
	_, err = w.host.SetPolicy(ctx, name(t, "alice.pinned.").Path(), limit(2), Pinned)
	if err == nil {
		t.Error("a policy does not fit, and is set") // it has a bridge
	}
	_, err = w.host.SetPolicy(ctx, name(t, "alice.pinned.").Path(), from(t, 3, "alice.pinned.")[0].Policy, Pinned)
	must(t, err)
	w.delegate(2, "alice.held.", "alice.")()
	must(t, w.host.Pin(name(t, "alice.held.").Path(), true))
	relied := w.delegate(1, "alice.relied.deep.", "alice.relied.", "alice.")
	w.delegate(2, "alice.idle.", "alice.")()

	w.crowded(mostPolicies - w.below() + 1)
	if n := w.below(); n != mostPolicies {
		t.Fatalf("there are %d", n)
	}
	stay := []string{"alice.", "alice.used.", "alice.stored.", "alice.pinned.", "alice.held.", "alice.claimed.", "alice.relied.", "alice.relied.deep."}
	w.delegate(1, "alice.new.deep.", "alice.new.", "alice.")() // the first drops all that is idle
	check := func() {
		t.Helper()
		for _, path := range append(stay, "alice.new.", "alice.new.deep.") {
			if !w.hasPolicy(path) {
				t.Errorf("%s has no policy", path)
			}
		}
		if n := w.below(); n != len(stay)+2 {
			t.Errorf("there are %d", n)
		}
	}
	check()
	relied()
	relied() // once counts
	w.close()
	w.open()
	check()

	// The marks survive as well.
	w.crowded(mostPolicies - w.below() + 1)
	w.delegate(1, "alice.newer.", "alice.")()
	stay = []string{"alice.", "alice.used.", "alice.stored.", "alice.pinned.", "alice.held.", "alice.claimed.", "alice.newer."}
	for _, path := range stay {
		if !w.hasPolicy(path) {
			t.Errorf("%s has no policy", path)
		}
	}
	if n := w.below(); n != len(stay) {
		t.Errorf("there are %d", n)
	}
}

// TestDelegationsThatAllLimit refuses what there is no room for, and what already is
// there goes on.
func TestDelegationsThatAllLimit(t *testing.T) {
	w := newWorld(t)
	w.crowded(mostPolicies)
	w.host.mu.Lock()
	for path := range w.host.afar {
		w.host.relied[path]++
	}
	w.host.mu.Unlock()
	_, err := w.host.Delegate(t.Context(), from(t, 1, "alice.x.", "alice."))
	wantCode(t, err, api.Resource, "there are 1000 policies at and below alice already, all of which limit something")
	if w.hasPolicy("alice.x.") {
		t.Error("it is there all the same")
	}
	w.host.mu.Lock()
	if n := w.host.relied[name(t, "alice.x.").Path()]; n != 0 {
		t.Errorf("%d rely on it", n)
	}
	w.host.mu.Unlock()
	w.delegate(1, "alice.n7.", "alice.")()
	w.delegate(1, "bob.x.", "bob.")()
	if _, err := w.host.SetPolicy(t.Context(), name(t, "alice.here.").Path(), from(t, 1, "alice.here.")[0].Policy, Here); err != nil {
		t.Errorf("somebody on the host is refused: %v", err)
	}
	w.host.mu.Lock()
	delete(w.host.relied, name(t, "alice.n8.").Path())
	delete(w.host.relied, name(t, "alice.n9.").Path())
	w.host.mu.Unlock()
	w.delegate(1, "alice.x.", "alice.")()
	if w.hasPolicy("alice.n8.") || w.hasPolicy("alice.n9.") || !w.hasPolicy("alice.n10.") {
		t.Error("others went than those that limit nothing")
	}
}

// TestDelegationOnFullDisk cannot record what it drops, and so drops nothing.
func TestDelegationOnFullDisk(t *testing.T) {
	w := newWorld(t)
	w.crowded(mostPolicies)
	must(t, w.host.store.Close())
	if _, err := w.host.Delegate(t.Context(), from(t, 1, "alice.x.", "alice.")); err == nil {
		t.Error("it is recorded in a store that is closed")
	}
	if n := w.below(); n != mostPolicies || w.hasPolicy("alice.x.") || !w.hasPolicy("alice.n1.") {
		t.Errorf("there are %d policies", n)
	}
	s, err := store.Open(w.cfg.DB.State())
	must(t, err)
	w.host.store = s
}

// TestPolicyThatDoesNotFitDropsNothing refuses a delegation that allows too much.
func TestPolicyThatDoesNotFitDropsNothing(t *testing.T) {
	w := newWorld(t)
	w.crowded(mostPolicies)
	_, err := w.host.Delegate(t.Context(), from(t, 10, "alice.x."))
	wantCode(t, err, api.Policy, "")
	if n := w.below(); n != mostPolicies {
		t.Errorf("there are %d", n)
	}
}
