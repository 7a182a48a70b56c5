package policy

import (
	"fmt"
	"testing"

	"albatross/internal/vm"
)

// crowd returns a tree of 1,110 policies, three deep, with 5,000 unikernels.
func crowd(b *testing.B) *Tree {
	b.Helper()
	tree := New(limits(1<<62-1, 1<<20, 1<<20))
	add := func(p vm.Path, policy vm.Policy) {
		if _, err := tree.Add(p, policy); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 1000 {
		x, y, z := vm.Label(fmt.Sprint(i/100)), vm.Label(fmt.Sprint(i/10%10)), vm.Label(fmt.Sprint(i%10))
		add(vm.MakePath(x), limits(2000, 1<<16, 1<<16))
		add(vm.MakePath(x, y), limits(200, 1<<14, 1<<14))
		add(vm.MakePath(x, y, z), limits(20, 1<<10, 1<<10))
		for j := range 5 {
			n := vm.MakeName(vm.MakePath(x, y, z), vm.Label(fmt.Sprint("u", j)))
			if err := tree.ReserveUnikernel(n, demand(32, "a")); err != nil {
				b.Fatal(err)
			}
		}
	}
	return tree
}

func BenchmarkReserveAndRelease(b *testing.B) {
	tree, n, d := crowd(b), name(b, "5.5.5.new"), demand(32, "a")
	b.ReportAllocs()
	for b.Loop() {
		if err := tree.ReserveUnikernel(n, d); err != nil {
			b.Fatal(err)
		}
		if err := tree.ReleaseUnikernel(n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefuse(b *testing.B) {
	tree, n, d := crowd(b), name(b, "5.5.5.new"), demand(1<<15, "a")
	b.ReportAllocs()
	for b.Loop() {
		if err := tree.CheckUnikernel(n, d); err == nil {
			b.Fatal("it fits")
		}
	}
}

func BenchmarkAddSamePolicy(b *testing.B) {
	tree, p := crowd(b), path(b, "5.5.5")
	for b.Loop() {
		if changed, err := tree.Add(p, limits(20, 1<<10, 1<<10)); changed || err != nil {
			b.Fatal(changed, err)
		}
	}
}

// BenchmarkReplacePolicy changes a policy with 110 below it.
func BenchmarkReplacePolicy(b *testing.B) {
	tree, p := crowd(b), path(b, "5")
	for i := 0; b.Loop(); i++ {
		if changed, err := tree.Add(p, limits(3000+i%2, 1<<16, 1<<16)); !changed || err != nil {
			b.Fatal(changed, err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	tree := crowd(b)
	for b.Loop() {
		if got := tree.List(vm.Path{}); len(got) != 1111 {
			b.Fatal(len(got))
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		crowd(b)
	}
}
