package policy

import (
	"errors"
	"testing"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

func TestPlace(t *testing.T) {
	tree := sample(t) // uses CPU 0 three times, and allows 0 and 1 below the root
	for _, c := range []struct {
		name  string
		count int
		want  vm.Set[int]
	}{
		{"new", 1, vm.MakeSet(1)}, // 1, 2 and 3 are free
		{"new", 3, vm.MakeSet(1, 2, 3)},
		{"new", 9, vm.MakeSet(0, 1, 2, 3)},
		{"new", 0, vm.MakeSet(1)},
		{"grp.new", 1, vm.MakeSet(1)},
		{"grp.sub.deep.new", 2, vm.MakeSet(0, 1)},
	} {
		got, err := tree.Place(name(t, c.name), c.count)
		if err != nil || !got.Equal(c.want) {
			t.Errorf("%s on %d: %v, %v; want %v", c.name, c.count, got, err, c.want)
		}
	}
}

// TestPlaceDoesNotCountItself keeps what is replaced where it is, if nothing
// else speaks for another CPU.
func TestPlaceDoesNotCountItself(t *testing.T) {
	tree := New(limits(10, 100, -1))
	must(t, tree.ReserveUnikernel(name(t, "a"), demand(1)))
	if got, err := tree.Place(name(t, "a"), 1); err != nil || !got.Equal(vm.MakeSet(0)) {
		t.Errorf("a alone moves to %v, %v", got, err)
	}
	if got, err := tree.Place(name(t, "b"), 1); err != nil || !got.Equal(vm.MakeSet(1)) {
		t.Errorf("b goes to %v, %v", got, err)
	}
}

func TestPlaceWithoutACPU(t *testing.T) {
	tree := New(limits(10, 100, -1))
	none := limits(1, 10, -1)
	none.CPUs = nil
	_, err := tree.Add(path(t, "p"), none)
	must(t, err)
	_, err = tree.Place(name(t, "p.a"), 1)
	if e, ok := errors.AsType[*Error](err); !ok || e.Error() != "policy p does not allow CPUs 0, 1: none at all" {
		t.Errorf("error is %v", err)
	}
}

// TestPlacedIsAllowed holds whatever the policies are: what is placed fits, if
// CPUs are all it can fail for, and the use of CPUs evens out.
func TestPlacedIsAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := vm.Policy{Unikernels: 1000, Memory: 1000, CPUs: vm.MakeSet(0, 1, 2, 3, 4, 5)}
		tree := New(host)
		p := host
		p.CPUs = vm.MakeSet(rapid.SliceOfN(rapid.IntRange(0, 5), 1, 6).Draw(t, "cpus")...)
		inPath := vm.Path{}.Append("p")
		if _, err := tree.Add(inPath, p); err != nil {
			t.Fatal(err)
		}
		uses := map[int]int{}
		for i := range rapid.IntRange(1, 40).Draw(t, "unikernels") {
			n := vm.MakeName(inPath, vm.Label(rune('a'+i%26))+vm.Label(rune('a'+i/26)))
			cpus, err := tree.Place(n, 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.ReserveUnikernel(n, Demand{CPUs: cpus, Memory: 1}); err != nil {
				t.Fatal(err)
			}
			uses[cpus[0]]++
		}
		least, most := 1000, 0
		for _, c := range p.CPUs {
			least, most = min(least, uses[c]), max(most, uses[c])
		}
		if most-least > 1 {
			t.Fatalf("uneven: %v of %v", uses, p.CPUs)
		}
	})
}
