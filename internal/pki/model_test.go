package pki

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// A model of delegation: what a chain is made of, and what has to come of it, told
// without certificates.

// step is one CA of a chain in the model.
type step struct {
	name    string
	command wire.Command // nil: passed over
	expired bool
	revoked bool
}

func genPolicy(t *rapid.T) vm.Policy {
	p := vm.Policy{
		Unikernels: rapid.IntRange(1, 3).Draw(t, "unikernels"),
		CPUs:       vm.MakeSet(rapid.SliceOfN(rapid.IntRange(0, 1), 1, 2).Draw(t, "cpus")...),
		Memory:     rapid.IntRange(17, 20).Draw(t, "memory"),
		Bridges:    vm.MakeSet(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 0, 2).Draw(t, "bridges")...),
	}
	if rapid.Bool().Draw(t, "has block") {
		p.Block = ptr(rapid.IntRange(0, 2).Draw(t, "block"))
	}
	return p
}

func genStep(t *rapid.T, above vm.Policy) step {
	s := step{
		name:    rapid.SampledFrom([]string{"a", "b", "c", "D", "e.f"}).Draw(t, "name"),
		expired: rapid.IntRange(0, 30).Draw(t, "expired") == 0,
		revoked: rapid.IntRange(0, 30).Draw(t, "revoked") == 0,
	}
	switch rapid.IntRange(0, 20).Draw(t, "kind") {
	case 0:
		s.command = wire.UnikernelInfo{}
	case 1, 2, 3:
	case 4, 5, 6:
		s.command = wire.PolicyAdd{Policy: genPolicy(t)}
	case 7:
		s.name = "no label"
		s.command = wire.PolicyAdd{Policy: above}
	default:
		s.command = wire.PolicyAdd{Policy: above}
	}
	return s
}

// expected returns what comes of the steps from the root down and a leaf, or the
// reason of the refusal.
func expected(steps []step, leaf step) (*Authority, error) {
	all := append(slices.Clone(steps), leaf)
	switch {
	case len(all) >= 10:
		return nil, ErrTooLong
	case slices.ContainsFunc(all, func(s step) bool { return s.expired }):
		return nil, ErrExpired
	case slices.ContainsFunc(all, func(s step) bool { return s.revoked }):
		return nil, ErrRevoked
	}
	a := &Authority{}
	var labels []vm.Label
	for _, s := range steps {
		if s.command == nil {
			continue
		}
		add, ok := s.command.(wire.PolicyAdd)
		if !ok {
			return nil, ErrCommandInCA
		}
		l, err := vm.ParseLabel(s.name)
		if err != nil {
			return nil, ErrName
		}
		labels = append(labels, l)
		for _, above := range a.Policies {
			if add.Policy.FitsIn(above.Policy) != nil {
				return nil, ErrPolicy
			}
		}
		a.Policies = slices.Insert(a.Policies, 0, PathPolicy{vm.MakePath(labels...), add.Policy})
	}
	if leaf.command == nil {
		return nil, ErrNoCommand
	}
	if Allowed(leaf.command) != nil {
		return nil, ErrNotAllowed
	}
	label := vm.Label("")
	if leaf.name != "." && leaf.name != ":" {
		var err error
		if label, err = vm.ParseLabel(leaf.name); err != nil {
			return nil, ErrName
		}
	}
	a.Name, a.Command = vm.MakeName(vm.MakePath(labels...), label), leaf.command
	return a, nil
}

// TestModel makes chains at random and compares what Verify says with the model.
func TestModel(t *testing.T) {
	outer := t
	root := (*holder)(nil).sign(t, spec{name: "ca", profile: caProfile})
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		var steps []step
		above := large
		for range rapid.IntRange(0, 9).Draw(t, "depth") {
			s := genStep(t, above)
			if add, ok := s.command.(wire.PolicyAdd); ok {
				above = add.Policy
			}
			steps = append(steps, s)
		}
		leaf := step{
			name:    rapid.SampledFrom([]string{"shop", "Shop", "www.example.org", ".", ":", "no label"}).Draw(t, "leaf"),
			command: rapid.SampledFrom([]wire.Command{nil, wire.UnikernelInfo{}, wire.UnikernelDestroy{}, wire.BlockAdd{Size: 1}, wire.PolicyInfo{}, wire.PolicyRemove{}, wire.StatsSubscribe{}}).Draw(t, "command"),
			expired: rapid.IntRange(0, 30).Draw(t, "leaf expired") == 0,
			revoked: rapid.IntRange(0, 30).Draw(t, "leaf revoked") == 0,
		}
		presented, revoked := build(outer, root, append(steps, leaf))
		want, reason := expected(steps, leaf)
		got, err := Verify(presented, root.cert, recordedAt, revoked)
		seen[fmt.Sprint(reason)]++
		if reason != nil {
			wantRefused(t, err, reason)
			return
		}
		if err != nil {
			t.Fatalf("%v, want %+v", err, want)
		}
		if got.Name != want.Name || diff(want.Policies, got.Policies) != "" || diff(want.Command, got.Command) != "" || len(got.Chain) != len(steps)+1 {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		for i, p := range got.Policies {
			if !p.Path.Contains(got.Name.Path()) || i > 0 && !p.Path.Contains(got.Policies[i-1].Path) {
				t.Fatalf("policies are not deepest first: %+v", got.Policies)
			}
		}
	})
	t.Logf("%v", seen)
}

// build makes the certificates of a chain in the model, the last being the leaf, and
// revokes what it says.
func build(t *testing.T, root *holder, steps []step) ([][]byte, *CRLs) {
	t.Helper()
	at := root
	var lists []*CRL
	for i, s := range steps {
		sp := spec{name: s.name, profile: caProfile, command: s.command, key: keyOf(byte(100 + i))}
		if i == len(steps)-1 {
			sp.profile = leafProfile
		}
		if s.expired {
			sp.until = recordedAt.Add(-1e9)
		}
		next := at.sign(t, sp)
		if s.revoked {
			lists = append(lists, at.revoke(t, nil, next))
		}
		at = next
	}
	return at.presented(), set(t, lists...)
}

// TestShuffled takes every order but the right one for wrong.
func TestShuffled(t *testing.T) {
	f := newFamily(t)
	right := f.web.leaf(t, "shop", wire.UnikernelInfo{}).presented()
	rapid.Check(t, func(t *rapid.T) {
		shuffled := rapid.Permutation(right).Draw(t, "order")
		shuffled = shuffled[:rapid.IntRange(1, len(shuffled)).Draw(t, "length")]
		a, err := Verify(shuffled, f.root.cert, recordedAt, nil)
		if slices.EqualFunc(shuffled, right, bytes.Equal) {
			if err != nil || a.Name.Wire() != "alice:web:shop" {
				t.Fatal(err)
			}
			return
		}
		if err == nil {
			t.Fatalf("accepted as %+v", a)
		}
	})
}
