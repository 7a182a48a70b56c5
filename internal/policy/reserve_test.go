package policy

import (
	"errors"
	"testing"

	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

func TestReserveUnikernel(t *testing.T) {
	for what, c := range map[string]struct {
		name   string
		demand Demand
		is     error
		says   string // what the error says; empty: none
	}{
		"fits":               {name: "grp.lab.www", demand: demand(64, "a", "b")},
		"under no policy":    {name: "tmp.www", demand: demand(512, "c")},
		"at the root":        {name: "www", demand: demand(928, "c")},
		"named as a policy":  {name: "one", demand: demand(64)},
		"unikernels":         {name: "one.www", demand: demand(16), says: "policy one allows 1 unikernel: 1 in use, 1 asked for"},
		"memory":             {name: "grp.lab.www", demand: demand(65), says: "policy grp allows 128 MB of memory: 64 MB in use, 65 MB asked for"},
		"memory of the host": {name: "tmp.www", demand: demand(929), says: "this host has 1024 MB of memory: 96 MB in use, 929 MB asked for"},
		"the nearest first":  {name: "grp.sub.deep.www", demand: demand(2048), says: "policy grp.sub allows 2 unikernels: 2 in use, 1 asked for"},
		"CPU": {
			name: "grp.www", demand: Demand{CPUs: vm.MakeSet(0, 2, 3), Memory: 1},
			says: "policy grp does not allow CPUs 2, 3: only CPUs 0, 1",
		},
		"CPU of the host": {
			name: "tmp.www", demand: Demand{CPUs: vm.MakeSet(4), Memory: 1},
			says: "this host does not have CPU 4: only CPUs 0, 1, 2, 3",
		},
		"bridge":             {name: "grp.www", demand: demand(1, "a", "c"), says: "policy grp does not allow bridge c: only bridges a, b"},
		"bridge of the host": {name: "www", demand: demand(1, "d"), says: "this host does not have bridge d: only bridges a, b, c"},
		"again":              {name: "one.hello", demand: demand(1), is: ErrReserved, says: "resources are reserved already for unikernel one.hello"},
		"a path":             {name: "grp.", demand: demand(1), is: ErrInvalid, says: "invalid request for resources: grp. is a path, not the name of something in it"},
		"less than nothing":  {name: "grp.www", demand: demand(-1), is: ErrInvalid, says: "invalid request for resources: grp.www asks for -1 MB, which is not in 0…1099511627776"},
		"more than all":      {name: "grp.www", demand: demand(1<<63 - 1), is: ErrInvalid, says: "invalid request for resources: grp.www asks for 9223372036854775807 MB, which is not in 0…1099511627776"},
	} {
		t.Run(what, func(t *testing.T) {
			tree := sample(t)
			before := tree.Use(vm.Path{})
			err := tree.ReserveUnikernel(name(t, c.name), c.demand)
			if got := says(err); got != c.says {
				t.Errorf("says %q\nwant %q", got, c.says)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			want := before
			if err == nil {
				want.Unikernels++
				want.Memory += c.demand.Memory
			}
			if got := tree.Use(vm.Path{}); got != want {
				t.Errorf("use is %+v, want %+v", got, want)
			}
		})
	}
}

func TestReserveBlock(t *testing.T) {
	for what, c := range map[string]struct {
		name string
		mb   int
		is   error
		says string
	}{
		"fits":              {name: "grp.more", mb: 12},
		"deeper":            {name: "grp.lab.more", mb: 12},
		"under no policy":   {name: "tmp.more", mb: 92},
		"nothing of zero":   {name: "one.empty", mb: 0},
		"named as another":  {name: "one.hello", mb: 0},
		"one of zero":       {name: "one.more", mb: 1, says: "policy one allows 0 MB of block storage: 0 MB in use, 1 MB asked for"},
		"too much":          {name: "grp.lab.more", mb: 13, says: "policy grp allows 20 MB of block storage: 8 MB in use, 13 MB asked for"},
		"none allowed":      {name: "grp.sub.more", mb: 4, says: "policy grp.sub allows no block storage: 4 MB asked for"},
		"nothing of none":   {name: "grp.sub.deep.more", mb: 0, says: "policy grp.sub allows no block storage: 0 MB asked for"},
		"the host's disk":   {name: "more", mb: 93, says: "this host has 100 MB of block storage: 8 MB in use, 93 MB asked for"},
		"again":             {name: "grp.data", mb: 1, is: ErrReserved, says: "resources are reserved already for block device grp.data"},
		"a path":            {name: "grp.", mb: 1, is: ErrInvalid, says: "invalid request for resources: grp. is a path, not the name of something in it"},
		"less than nothing": {name: "grp.more", mb: -1, is: ErrInvalid, says: "invalid request for resources: grp.more asks for -1 MB, which is not in 0…1099511627776"},
	} {
		t.Run(what, func(t *testing.T) {
			tree := sample(t)
			if got := says(tree.CheckBlock(name(t, c.name), c.mb)); got != c.says {
				t.Errorf("the check says %q\nwant %q", got, c.says)
			}
			err := tree.ReserveBlock(name(t, c.name), c.mb)
			if got := says(err); got != c.says || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("says %q\nwant %q", got, c.says)
			}
			want := Use{3, 96, 1, 8}
			if err == nil {
				want.Devices, want.Block = 2, 8+c.mb
			}
			if got := tree.Use(vm.Path{}); got != want {
				t.Errorf("use is %+v, want %+v", got, want)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	tree := sample(t)
	for _, n := range []string{"one.hello", "grp.sub.www", "grp.sub.deep.dns"} {
		if err := tree.ReleaseUnikernel(name(t, n)); err != nil {
			t.Error(err)
		}
	}
	if err := tree.ReleaseBlock(name(t, "grp.data")); err != nil {
		t.Error(err)
	}
	if got := tree.Use(vm.Path{}); got != (Use{}) {
		t.Errorf("use is %+v", got)
	}
	err := tree.ReleaseUnikernel(name(t, "one.hello"))
	if !errors.Is(err, ErrNotReserved) || says(err) != "no resources are reserved for unikernel one.hello" {
		t.Error(err)
	}
	err = tree.ReleaseBlock(name(t, "grp.data"))
	if !errors.Is(err, ErrNotReserved) || says(err) != "no resources are reserved for block device grp.data" {
		t.Error(err)
	}
}

// TestReplaceHoldsForBoth holds that neither the new unikernel nor the old one
// loses its place to others while one replaces the other.
func TestReplaceHoldsForBoth(t *testing.T) {
	grp, www, other := path(t, "grp"), name(t, "grp.sub.www"), name(t, "grp.lab.other")
	replace := func(t *testing.T, tree *Tree, memory int) *Replacement {
		t.Helper()
		r, err := tree.ReplaceUnikernel(www, demand(memory))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	memory := func(t *testing.T, tree *Tree, want int) {
		t.Helper()
		if got := tree.Use(grp); got.Memory != want || got.Unikernels != 2 {
			t.Errorf("use is %+v, want %d MB", got, want)
		}
	}
	t.Run("smaller, done", func(t *testing.T) {
		tree := sample(t)
		r := replace(t, tree, 8)
		memory(t, tree, 64)
		if err := tree.ReserveUnikernel(other, demand(65)); err == nil {
			t.Error("the old one lost its place")
		}
		r.Done()
		r.Undo() // too late
		memory(t, tree, 24)
		if err := tree.ReserveUnikernel(other, demand(104)); err != nil {
			t.Error(err)
		}
	})
	t.Run("larger, undone", func(t *testing.T) {
		tree := sample(t)
		if err := tree.ReleaseUnikernel(name(t, "grp.sub.deep.dns")); err != nil {
			t.Fatal(err)
		}
		r := replace(t, tree, 64)
		if got := tree.Use(grp).Memory; got != 64 {
			t.Errorf("%d MB are in use", got)
		}
		r.Undo()
		r.Done()
		if got := tree.Use(grp).Memory; got != 48 {
			t.Errorf("%d MB are in use", got)
		}
	})
	t.Run("too large", func(t *testing.T) {
		tree := sample(t)
		_, err := tree.ReplaceUnikernel(www, demand(49))
		if got, want := says(err), "policy grp.sub allows 64 MB of memory: 16 MB in use, 49 MB asked for"; got != want {
			t.Errorf("says %q\nwant %q", got, want)
		}
		memory(t, tree, 64)
	})
	t.Run("twice at a time", func(t *testing.T) {
		tree := sample(t)
		r := replace(t, tree, 8)
		_, err := tree.ReplaceUnikernel(www, demand(4))
		if got, want := says(err), "resources are reserved already for unikernel grp.sub.www: it is being replaced"; got != want || !errors.Is(err, ErrReserved) {
			t.Errorf("says %q\nwant %q", got, want)
		}
		r.Done()
		replace(t, tree, 4).Done()
		memory(t, tree, 20)
	})
	t.Run("nothing, undone", func(t *testing.T) {
		tree := sample(t)
		r, err := tree.ReplaceUnikernel(other, demand(64))
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Use(grp).Memory; got != 128 {
			t.Errorf("%d MB are in use", got)
		}
		r.Undo()
		memory(t, tree, 64)
	})
	t.Run("released meanwhile", func(t *testing.T) {
		tree := sample(t)
		r := replace(t, tree, 8)
		if err := tree.ReleaseUnikernel(www); err != nil {
			t.Fatal(err)
		}
		r.Done()
		r.Undo()
		if got := tree.Use(grp); got.Memory != 16 || got.Unikernels != 1 {
			t.Errorf("use is %+v", got)
		}
	})
	t.Run("its bridges count", func(t *testing.T) {
		tree := sample(t)
		dns := name(t, "grp.sub.deep.dns")
		r, err := tree.ReplaceUnikernel(dns, demand(16, "b"))
		if err != nil {
			t.Fatal(err)
		}
		narrow := with(limits(2, 64, -1), func(p *vm.Policy) { p.Bridges = vm.MakeSet("b") })
		if _, err := tree.Add(path(t, "grp.sub"), narrow); err == nil {
			t.Error("the old one lost its bridge")
		}
		r.Done()
		if _, err := tree.Add(path(t, "grp.sub"), narrow); err != nil {
			t.Error(err)
		}
	})
}

func TestRestoreUnikernelAndBlock(t *testing.T) {
	tree := sample(t)
	got := tree.RestoreUnikernel(name(t, "one.big"), Demand{CPUs: vm.MakeSet(3), Memory: 1000, Bridges: vm.MakeSet("c")})
	if d := cmp.Diff([]string{
		"policy one allows 1 unikernel, less than the 2 in use",
		"policy one allows 64 MB of memory, less than the 1032 MB in use",
		"policy one does not allow CPU 3, in use below it: only CPUs 0, 1",
		"policy one does not allow bridge c, in use below it: only bridges a, b",
		"this host has 1024 MB of memory, less than the 1096 MB in use",
	}, sentences(got)); d != "" {
		t.Errorf("the sentences differ:\n%s", d)
	}
	if d := cmp.Diff([]string{
		"policy grp.sub allows no block storage, but devices of 0 MB exist",
	}, sentences(tree.RestoreBlock(name(t, "grp.sub.disk"), -7))); d != "" {
		t.Errorf("the sentences differ:\n%s", d)
	}
	if err := tree.CheckUnikernel(name(t, "one.big"), demand(1000, "c")); err != nil {
		t.Errorf("no more than it had: %v", err)
	}
	// Restored again it counts once, and what nobody can have does not overflow.
	if got := tree.RestoreUnikernel(name(t, "one.big"), demand(1)); len(got) != 1 {
		t.Errorf("too much: %q", sentences(got))
	}
	for _, n := range []string{"x.a", "x.b", "x.c", "x.d"} {
		tree.RestoreUnikernel(name(t, n), demand(1<<63-1))
	}
	if got := tree.Use(path(t, "x")).Memory; got != 4*MostMB {
		t.Errorf("%d MB are in use", got)
	}
}

func TestDemandOf(t *testing.T) {
	host := "br0"
	got := DemandOf(vm.Arguments{
		CPUs: vm.MakeSet(2, 1), Memory: 64,
		Nets: []vm.Net{{Name: "service", Bridge: &host}, {Name: "management"}, {Name: "second", Bridge: &host}},
	})
	want := Demand{CPUs: vm.MakeSet(1, 2), Memory: 64, Bridges: vm.MakeSet("br0", "management")}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the demand differs:\n%s", d)
	}
}

// TestLimitsBelowZero holds that a hostile limit does not overflow into plenty.
func TestLimitsBelowZero(t *testing.T) {
	tree := sample(t)
	tree.SetRoot(limits(1<<62, -1<<63, 0))
	err := tree.ReserveUnikernel(name(t, "new"), demand(1))
	if got, want := says(err), "this host has -9223372036854775808 MB of memory: 96 MB in use, 1 MB asked for"; got != want {
		t.Errorf("says %q\nwant %q", got, want)
	}
	if err := tree.ReserveUnikernel(name(t, "new"), demand(0)); err != nil {
		t.Errorf("nothing: %v", err)
	}
}
