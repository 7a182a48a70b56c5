package policy

import (
	"errors"
	"fmt"
	"testing"

	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func with(p vm.Policy, change func(*vm.Policy)) vm.Policy {
	change(&p)
	return p
}

func TestAdd(t *testing.T) {
	for what, c := range map[string]struct {
		path      string
		policy    vm.Policy
		unchanged bool
		says      string // what the error says; empty: none
	}{
		"the same again":            {path: "grp", policy: limits(4, 128, 20), unchanged: true},
		"larger":                    {path: "grp", policy: limits(9, 256, 30)},
		"just enough":               {path: "grp", policy: limits(2, 64, 8)},
		"beside others":             {path: "tmp", policy: limits(5, 64, 5)},
		"as large as the one above": {path: "grp.lab", policy: limits(4, 128, 20)},
		"below no policy":           {path: "x.y.z", policy: limits(1, 16, -1)},
		"beyond the host":           {path: "tmp", policy: with(limits(5, 4096, 500), func(p *vm.Policy) { p.Bridges = vm.MakeSet("later") })},
		"at the root": {
			path: ".", policy: limits(5, 64, 5),
			says: "invalid request for resources: the root's policy is what this host has, and cannot be set",
		},
		"unikernels above":   {path: "grp.lab", policy: limits(9, 64, 0), says: "policy grp allows 4 unikernels, less than the 9 of policy grp.lab below it"},
		"memory above":       {path: "grp.lab", policy: limits(4, 129, 0), says: "policy grp allows 128 MB of memory, less than the 129 MB of policy grp.lab below it"},
		"block above":        {path: "grp.lab", policy: limits(4, 64, 21), says: "policy grp allows 20 MB of block storage, less than the 21 MB of policy grp.lab below it"},
		"no block above":     {path: "grp.sub.x", policy: limits(1, 64, 0), says: "policy grp.sub allows no block storage, but policy grp.sub.x below it allows 0 MB"},
		"the nearest first":  {path: "grp.sub.x", policy: limits(9, 512, -1), says: "policy grp.sub allows 2 unikernels, less than the 9 of policy grp.sub.x below it"},
		"over a gap":         {path: "grp.a.b.c", policy: limits(4, 512, -1), says: "policy grp allows 128 MB of memory, less than the 512 MB of policy grp.a.b.c below it"},
		"CPU above":          {path: "grp.lab", policy: with(limits(1, 64, 0), func(p *vm.Policy) { p.CPUs = vm.MakeSet(1, 2) }), says: "policy grp does not allow CPU 2, but policy grp.lab below it does: only CPUs 0, 1"},
		"bridges above":      {path: "grp.lab", policy: with(limits(1, 64, 0), func(p *vm.Policy) { p.Bridges = vm.MakeSet("c", "b", "d") }), says: "policy grp does not allow bridges c, d, but policy grp.lab below it does: only bridges a, b"},
		"unikernels below":   {path: "grp", policy: limits(1, 128, 20), says: "policy grp would allow 1 unikernel, less than the 2 of policy grp.sub below it"},
		"memory below":       {path: "grp", policy: limits(4, 63, 20), says: "policy grp would allow 63 MB of memory, less than the 64 MB of policy grp.sub below it"},
		"CPU below":          {path: "grp", policy: with(limits(4, 64, 20), func(p *vm.Policy) { p.CPUs = vm.MakeSet(0) }), says: "policy grp would not allow CPU 1, but policy grp.sub below it does: only CPU 0"},
		"unikernels in use":  {path: "grp.sub", policy: limits(1, 64, -1), says: "policy grp.sub would allow 1 unikernel, less than the 2 in use"},
		"memory in use":      {path: "grp.sub", policy: limits(2, 63, -1), says: "policy grp.sub would allow 63 MB of memory, less than the 64 MB in use"},
		"CPU in use":         {path: "one", policy: with(limits(1, 64, 0), func(p *vm.Policy) { p.CPUs = vm.MakeSet(1) }), says: "policy one would not allow CPU 0, in use below it: only CPU 1"},
		"bridge in use":      {path: "grp.sub.deep", policy: with(limits(1, 64, -1), func(p *vm.Policy) { p.Bridges = nil }), says: "policy grp.sub.deep would not allow bridge a, in use below it: none at all"},
		"block in use":       {path: "grp", policy: limits(4, 128, 7), says: "policy grp would allow 7 MB of block storage, less than the 8 MB in use"},
		"block in use, none": {path: "grp", policy: limits(4, 128, -1), says: "policy grp would allow no block storage, but devices of 8 MB exist"},
		"below zero":         {path: "x", policy: limits(-1, -1<<63, -1)},
	} {
		t.Run(what, func(t *testing.T) {
			tree := sample(t)
			before := tree.List(vm.Path{})
			changed, err := tree.Add(path(t, c.path), c.policy)
			if got := says(err); got != c.says {
				t.Errorf("says %q\nwant %q", got, c.says)
			}
			if changed != (c.says == "" && !c.unchanged) {
				t.Errorf("changed is %v", changed)
			}
			switch got, ok := tree.Policy(path(t, c.path)); {
			case err != nil || c.unchanged:
				if d := cmp.Diff(before, tree.List(vm.Path{}), cmp.AllowUnexported(vm.Path{})); d != "" {
					t.Errorf("the tree changed:\n%s", d)
				}
			case !ok || !got.Equal(c.policy):
				t.Errorf("the policy is %+v", got)
			}
		})
	}
}

func TestErrorIsTyped(t *testing.T) {
	tree := sample(t)
	err := tree.ReserveUnikernel(name(t, "grp.sub.more"), demand(16))
	got, ok := errors.AsType[*Error](err)
	want := &Error{Path: path(t, "grp.sub"), Resource: Unikernels, Limit: 2, Used: 2, Asked: 1}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(vm.Path{})); !ok || d != "" {
		t.Errorf("the error differs:\n%s", d)
	}
	sub := path(t, "grp.lab")
	_, err = tree.Add(sub, with(limits(1, 64, 0), func(p *vm.Policy) { p.CPUs = vm.MakeSet(1, 10, 9) }))
	got, ok = errors.AsType[*Error](err)
	want = &Error{Path: path(t, "grp"), Child: &sub, Resource: CPUs, Denied: []string{"9", "10"}, Allowed: []string{"0", "1"}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(vm.Path{})); !ok || d != "" {
		t.Errorf("the error differs:\n%s", d)
	}
}

func TestLongListsAreCut(t *testing.T) {
	e := Error{Resource: CPUs, Denied: []string{"99"}}
	for i := range 40 {
		e.Allowed = append(e.Allowed, fmt.Sprint(i))
	}
	want := "this host does not have CPU 99: only CPUs 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 24 more"
	if got := e.Error(); got != want {
		t.Errorf("says %q", got)
	}
}

func TestRemove(t *testing.T) {
	tree := sample(t)
	for what, c := range map[string]struct {
		is   error
		says string
	}{
		"grp.lab":      {ErrNotFound, "there is no policy at grp.lab"},
		"grp.sub.deep": {ErrNotFound, "there is no policy at grp.sub.deep"},
		".":            {ErrInvalid, "invalid request for resources: the root's policy is what this host has, and cannot be removed"},
	} {
		if err := tree.Remove(path(t, what)); !errors.Is(err, c.is) || says(err) != c.says {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := tree.Remove(path(t, "grp.sub")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Remove(path(t, "grp.sub")); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	// The one above goes on to count what is there.
	err := tree.ReserveUnikernel(name(t, "grp.sub.more"), demand(65))
	if got, want := says(err), "policy grp allows 128 MB of memory: 64 MB in use, 65 MB asked for"; got != want {
		t.Errorf("says %q\nwant %q", got, want)
	}
	if err := tree.ReserveUnikernel(name(t, "grp.sub.more"), demand(64)); err != nil {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	tree := sample(t)
	for at, want := range map[string][]string{
		".":            {".", "grp", "grp.sub", "one"},
		"grp":          {"grp", "grp.sub"},
		"grp.sub.deep": nil,
		"one":          {"one"},
		"nobody":       nil,
	} {
		var got []string
		for _, e := range tree.List(path(t, at)) {
			got = append(got, e.Path.String())
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s differs:\n%s", at, d)
		}
	}
	got := tree.List(path(t, "grp"))[0]
	want := Entry{path(t, "grp"), limits(4, 128, 20), Use{Unikernels: 2, Memory: 64, Devices: 1, Block: 8}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(vm.Path{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the entry differs:\n%s", d)
	}
}

func TestUseAndUnikernelLimit(t *testing.T) {
	tree := sample(t)
	for at, want := range map[string]struct {
		use   Use
		limit int
	}{
		".":            {Use{3, 96, 1, 8}, 100},
		"grp":          {Use{2, 64, 1, 8}, 4},
		"grp.sub":      {Use{2, 64, 0, 0}, 2},
		"grp.sub.deep": {Use{1, 16, 0, 0}, 0},
		"one":          {Use{1, 32, 0, 0}, 1},
		"nobody":       {Use{}, 0},
	} {
		if got := tree.Use(path(t, at)); got != want.use {
			t.Errorf("use of %s is %+v", at, got)
		}
		if got := tree.UnikernelLimit(path(t, at)); got != want.limit {
			t.Errorf("%s allows %d unikernels", at, got)
		}
	}
}

func TestSetRoot(t *testing.T) {
	tree := sample(t)
	host := limits(2, 80, 7)
	host.CPUs, host.Bridges = vm.MakeSet(1), vm.MakeSet("b")
	want := []string{
		"this host allows 2 unikernels, less than the 4 of policy grp below it",
		"this host has 80 MB of memory, less than the 128 MB of policy grp below it",
		"this host does not have CPU 0, but policy grp below it does: only CPU 1",
		"this host does not have bridge a, but policy grp below it does: only bridge b",
		"this host has 7 MB of block storage, less than the 20 MB of policy grp below it",
		"this host does not have CPU 0, but policy grp.sub below it does: only CPU 1",
		"this host does not have bridge a, but policy grp.sub below it does: only bridge b",
		"this host does not have CPU 0, but policy one below it does: only CPU 1",
		"this host does not have bridge a, but policy one below it does: only bridge b",
		"this host allows 2 unikernels, less than the 3 in use",
		"this host has 80 MB of memory, less than the 96 MB in use",
		"this host does not have CPU 0, in use below it: only CPU 1",
		"this host does not have bridge a, in use below it: only bridge b",
		"this host has 7 MB of block storage, less than the 8 MB in use",
	}
	if d := cmp.Diff(want, sentences(tree.SetRoot(host))); d != "" {
		t.Errorf("the sentences differ:\n%s", d)
	}
	if !tree.Root().Equal(host) {
		t.Errorf("the root is %+v", tree.Root())
	}
	// Nothing went, growth is refused, and what is there may be had again.
	if got := tree.Use(vm.Path{}); got.Unikernels != 3 {
		t.Errorf("use is %+v", got)
	}
	err := tree.ReserveUnikernel(name(t, "new"), demand(1))
	if got, want := says(err), "this host allows 2 unikernels: 3 in use, 1 asked for"; got != want {
		t.Errorf("says %q\nwant %q", got, want)
	}
	if err := tree.CheckUnikernel(name(t, "grp.sub.deep.dns"), demand(16, "a")); err != nil {
		t.Errorf("the same again: %v", err)
	}
	err = tree.CheckUnikernel(name(t, "grp.sub.deep.dns"), demand(17, "a"))
	if got, want := says(err), "policy grp.sub allows 64 MB of memory: 48 MB in use, 17 MB asked for"; got != want {
		t.Errorf("says %q\nwant %q", got, want)
	}
	// The host grows again.
	if got := tree.SetRoot(limits(100, 1024, 100)); len(got) != 0 {
		t.Errorf("too much: %q", sentences(got))
	}
}

func TestRestorePolicy(t *testing.T) {
	tree := sample(t)
	got := tree.Restore(path(t, "grp.sub"), limits(1, 512, 1))
	if d := cmp.Diff([]string{
		"policy grp allows 128 MB of memory, less than the 512 MB of policy grp.sub below it",
		"policy grp.sub allows 1 unikernel, less than the 2 in use",
	}, sentences(got)); d != "" {
		t.Errorf("the sentences differ:\n%s", d)
	}
	if d := cmp.Diff(sentences(got), sentences(tree.Excess(vm.Path{}))); d != "" {
		t.Errorf("the excess differs:\n%s", d)
	}
	if got := tree.Excess(path(t, "one")); len(got) != 0 {
		t.Errorf("elsewhere: %q", sentences(got))
	}
	if changed, err := tree.Add(path(t, "grp.sub"), limits(1, 512, 1)); changed || err != nil {
		t.Errorf("the same again: changed %v, %v", changed, err)
	}
}

// TestPoliciesAreCopied holds that callers share nothing with the tree.
func TestPoliciesAreCopied(t *testing.T) {
	tree := sample(t)
	mine := limits(3, 32, 5)
	mine.CPUs = vm.Set[int]{1, 0, 1} // not as a set should be
	if _, err := tree.Add(path(t, "tmp"), mine); err != nil {
		t.Fatal(err)
	}
	mine.CPUs[0], *mine.Block, mine.Bridges[0] = 7, 99, "z"
	theirs, _ := tree.Policy(path(t, "tmp"))
	theirs.CPUs[0], *theirs.Block = 8, 98
	listed := tree.List(path(t, "tmp"))[0].Policy
	listed.CPUs[1], *listed.Block = 9, 97
	tree.Root().CPUs[0] = 9
	if got, _ := tree.Policy(path(t, "tmp")); !got.Equal(limits(3, 32, 5)) {
		t.Errorf("the policy is %+v", got)
	}
	if got := tree.Root().CPUs; !got.Equal(vm.MakeSet(0, 1, 2, 3)) {
		t.Errorf("the root's CPUs are %v", got)
	}
}
