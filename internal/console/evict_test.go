package console

import (
	"fmt"
	"slices"
	"testing"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

func TestVictim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.SliceOfNDistinct(rapid.Uint64Range(1, 1000), 0, 10, rapid.ID).Draw(t, "ends")
		var holders []holder
		var inactive []uint64
		for i, e := range ends {
			h := holder{name: vm.MakeName(vm.Path{}, vm.Label(fmt.Sprint("x", e))), ended: e}
			if h.active = rapid.Bool().Draw(t, fmt.Sprint("active", i)); !h.active {
				inactive = append(inactive, e)
			}
			holders = append(holders, h)
		}
		got, found := victim(slices.Values(holders))
		if want := len(inactive) > 0; found != want {
			t.Fatalf("found one: %t, want %t", found, want)
		}
		if found && got.Label() != vm.Label(fmt.Sprint("x", slices.Min(inactive))) {
			t.Fatalf("%v goes, but %d ended first", got, slices.Min(inactive))
		}
	})
}
