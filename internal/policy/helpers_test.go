package policy

import (
	"testing"

	"albatross/internal/vm"
)

// path reads a path as people write it.
func path(t testing.TB, s string) vm.Path {
	t.Helper()
	p, err := vm.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// name reads a name as people write it.
func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// limits makes a policy for CPUs 0 and 1 and the bridges a and b. A negative
// block stands for none at all.
func limits(unikernels, memory, block int) vm.Policy {
	p := vm.Policy{Unikernels: unikernels, CPUs: vm.MakeSet(0, 1), Memory: memory, Bridges: vm.MakeSet("a", "b")}
	if block >= 0 {
		p.Block = &block
	}
	return p
}

// demand asks for memory, CPU 0 and the given bridges.
func demand(memory int, bridges ...string) Demand {
	return Demand{CPUs: vm.MakeSet(0), Memory: memory, Bridges: vm.MakeSet(bridges...)}
}

// sample is the tree that the tests of sentences begin with:
//
//	(root)        100 unikernels, 1024 MB, 100 MB block, CPUs 0 to 3, bridges a, b, c
//	grp           4 unikernels, 128 MB, 20 MB block; data 8 MB
//	grp.sub       2 unikernels, 64 MB, no block; www 48 MB
//	grp.sub.deep  no policy; dns 16 MB on bridge a
//	one           1 unikernel, 0 MB block; hello 32 MB
func sample(t testing.TB) *Tree {
	t.Helper()
	host := limits(100, 1024, 100)
	host.CPUs, host.Bridges = vm.MakeSet(0, 1, 2, 3), vm.MakeSet("a", "b", "c")
	tree := New(host)
	for _, c := range []struct {
		path   string
		policy vm.Policy
	}{{"grp", limits(4, 128, 20)}, {"grp.sub", limits(2, 64, -1)}, {"one", limits(1, 64, 0)}} {
		if changed, err := tree.Add(path(t, c.path), c.policy); err != nil || !changed {
			t.Fatalf("policy %s: changed %v, %v", c.path, changed, err)
		}
	}
	for n, d := range map[string]Demand{"grp.sub.www": demand(48), "grp.sub.deep.dns": demand(16, "a"), "one.hello": demand(32)} {
		if err := tree.ReserveUnikernel(name(t, n), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.ReserveBlock(name(t, "grp.data"), 8); err != nil {
		t.Fatal(err)
	}
	return tree
}

// says returns what err says, empty for nil.
func says(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sentences returns what all errors say.
func sentences(errs []*Error) []string {
	var all []string
	for _, e := range errs {
		all = append(all, e.Error())
	}
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
