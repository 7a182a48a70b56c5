package vm

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSets compares with maps.
func TestSets(t *testing.T) {
	small := rapid.SliceOfN(rapid.IntRange(-3, 9), 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		a, b := small.Draw(t, "a"), small.Draw(t, "b")
		before := slices.Clone(a)
		s, u := MakeSet(a...), MakeSet(b...)
		if !slices.Equal(a, before) {
			t.Fatalf("%v became %v", before, a)
		}
		if (s == nil) != (len(a) == 0) || !slices.IsSorted(s) || len(slices.Compact(slices.Clone(s))) != len(s) {
			t.Fatalf("%v of %v is no set", s, a)
		}
		rest := map[int]bool{}
		for _, e := range a {
			if !s.Has(e) {
				t.Fatalf("%v does not have %d", s, e)
			}
			if !slices.Contains(b, e) {
				rest[e] = true
			}
		}
		without := s.Without(u)
		if len(without) != len(rest) || s.SubsetOf(u) != (len(rest) == 0) {
			t.Fatalf("%v without %v is %v; subset: %v", s, u, without, s.SubsetOf(u))
		}
		for e := range rest {
			if !without.Has(e) {
				t.Fatalf("%v without %v does not have %d", s, u, e)
			}
		}
		if s.Equal(u) != (s.SubsetOf(u) && u.SubsetOf(s)) {
			t.Fatalf("%v equal to %v: %v", s, u, s.Equal(u))
		}
		if s.Has(99) {
			t.Fatalf("%v has 99", s)
		}
	})
	if got := MakeSet(3, 1, 2, 1).String(); got != "1, 2, 3" {
		t.Errorf("%q", got)
	}
	if got := MakeSet[string]().String(); got != "" {
		t.Errorf("%q", got)
	}
}
