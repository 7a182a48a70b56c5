package client_test

import (
	"errors"
	"testing"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

var comparePaths = cmp.Comparer(func(a, b vm.Path) bool { return a == b })

func TestPolicies(t *testing.T) {
	eras(t, func(t *testing.T, old bool) {
		c, _, _ := withHost(t, api.State{}, old)
		ctx, shop := t.Context(), name(t, "shop.").Path()
		block := 20
		large := vm.Policy{Unikernels: 4, CPUs: vm.MakeSet(0, 1), Memory: 128, Block: &block, Bridges: vm.MakeSet("service")}
		small := vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}
		for _, add := range []struct {
			path string
			vm.Policy
			want string
		}{
			{"shop.", large, "added policy"},
			{"shop.", large, "no modification of policy"},
			{"shop.web.", small, "added policy"},
			{"else.", small, "added policy"},
		} {
			if said, err := c.AddPolicy(ctx, name(t, add.path).Path(), add.Policy); err != nil || said != add.want {
				t.Errorf("AddPolicy of %s = %q, %v; want %q", add.path, said, err, add.want)
			}
		}
		got, err := c.Policies(ctx, shop)
		want := []wire.Named[vm.Policy]{{Name: name(t, "shop."), Value: large}, {Name: name(t, "shop.web."), Value: small}}
		if diff := cmp.Diff(want, got, compareNames); diff != "" || err != nil {
			t.Errorf("Policies: %v %s", err, diff)
		}
		if all, err := c.Policies(ctx, vm.Path{}); err != nil || len(all) != 3 {
			t.Errorf("Policies of the root = %v, %v", all, err)
		}
		_, err = c.AddPolicy(ctx, name(t, "shop.big.").Path(), vm.Policy{Unikernels: 9, CPUs: vm.MakeSet(0), Memory: 32})
		refused(t, err, old, api.Policy, "the policy above allows 4 unikernels, which is fewer than 9")
		if said, err := c.RemovePolicy(ctx, shop); err != nil || said != "removed policy" {
			t.Errorf("RemovePolicy = %q, %v", said, err)
		}
		_, err = c.RemovePolicy(ctx, shop)
		refused(t, err, old, api.NotFound, "unknown policy")
	})
}

// TestStateHasThePolicies that apply to a name, and those below a path.
func TestStateHasThePolicies(t *testing.T) {
	u := func(s string) api.Unikernel { return api.Unikernel{Name: name(t, s), Info: vm.Info{Memory: 32}} }
	c, host, _ := withHost(t, api.State{Unikernels: []api.Unikernel{u("shop.www"), u("shop.web.a"), u("other.b")}}, false)
	host.SetBlock(name(t, "shop.web.data"), clienttest.Block{Size: 5})
	for _, path := range []string{".", "shop.", "shop.web.", "other."} {
		host.SetPolicy(name(t, path).Path(), vm.Policy{Unikernels: 9})
	}
	for of, want := range map[string]map[string]api.Use{
		".":        {".": {Unikernels: 3, Memory: 96, Block: 5}, "shop.": {Unikernels: 2, Memory: 64, Block: 5}, "shop.web.": {Unikernels: 1, Memory: 32, Block: 5}, "other.": {Unikernels: 1, Memory: 32}},
		"shop.":    {".": {Unikernels: 3, Memory: 96, Block: 5}, "shop.": {Unikernels: 2, Memory: 64, Block: 5}, "shop.web.": {Unikernels: 1, Memory: 32, Block: 5}},
		"shop.www": {".": {Unikernels: 3, Memory: 96, Block: 5}, "shop.": {Unikernels: 2, Memory: 64, Block: 5}},
		"none.x":   {".": {Unikernels: 3, Memory: 96, Block: 5}},
	} {
		s, err := c.State(t.Context(), name(t, of))
		got := map[string]api.Use{}
		for _, p := range s.Policies {
			got[vm.MakeName(p.Path, "").String()] = p.Use
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("the policies of %s: %v %s", of, err, diff)
		}
	}
}

// refused fails unless err is the refusal of a daemon of the era.
func refused(t *testing.T, err error, old bool, code api.Code, sentence string) {
	t.Helper()
	if old {
		if f, ok := errors.AsType[*client.Failure](err); !ok || f.Sentence != sentence {
			t.Errorf("got %T %v, want the failure %q", err, err, sentence)
		}
		return
	}
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != code || e.Sentence != sentence {
		t.Errorf("got %T %v, want %s: %q", err, err, code, sentence)
	}
}

func TestInactiveConsoles(t *testing.T) {
	c := withConsoles(t, consolesOf(t, "shop.web.www", "shop.db", "other"), false)
	got, err := c.InactiveConsoles(t.Context(), name(t, "shop.").Path())
	want := []vm.Name{name(t, "shop.web.www"), name(t, "shop.db")}
	if diff := cmp.Diff(want, got, compareNames, comparePaths); diff != "" || err != nil {
		t.Errorf("InactiveConsoles: %v %s", err, diff)
	}
}
