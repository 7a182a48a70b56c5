package vm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Set is a finite set, held as a slice in ascending order without duplicates.
// Make one with [MakeSet]; nil is the empty set.
type Set[T cmp.Ordered] []T

// MakeSet returns the set of the given elements.
func MakeSet[T cmp.Ordered](elements ...T) Set[T] {
	if len(elements) == 0 {
		return nil
	}
	s := slices.Clone(elements)
	slices.Sort(s)
	return Set[T](slices.Compact(s))
}

// Has reports whether e is in s.
func (s Set[T]) Has(e T) bool {
	_, ok := slices.BinarySearch(s, e)
	return ok
}

// Without returns the elements of s that are not in other.
func (s Set[T]) Without(other Set[T]) Set[T] {
	var rest Set[T]
	for _, e := range s {
		if !other.Has(e) {
			rest = append(rest, e)
		}
	}
	return rest
}

// SubsetOf reports whether every element of s is in super.
func (s Set[T]) SubsetOf(super Set[T]) bool { return len(s.Without(super)) == 0 }

// Equal reports whether both sets have the same elements.
func (s Set[T]) Equal(other Set[T]) bool { return slices.Equal(s, other) }

// String lists the elements, separated by a comma and a blank.
func (s Set[T]) String() string {
	var b strings.Builder
	for i, e := range s {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, e)
	}
	return b.String()
}
