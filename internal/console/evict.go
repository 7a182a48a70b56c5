package console

import (
	"iter"

	"albatross/internal/vm"
)

// holder is what it takes to decide which console goes.
type holder struct {
	name   vm.Name
	active bool
	ended  uint64 // of an inactive one: those that ended earlier have lower numbers
}

// victim returns the console that has been inactive for longest, if one of them
// is. (Albatross 2.7 takes the first by name.)
func victim(holders iter.Seq[holder]) (name vm.Name, found bool) {
	var oldest holder
	for h := range holders {
		if !h.active && (!found || h.ended < oldest.ended) {
			oldest, found = h, true
		}
	}
	return oldest.name, found
}

// tally counts the consoles that were added, so that hardly an add has to look at
// all of them.
type tally struct {
	added    map[vm.Path]int // by path
	inactive int
}

func (t *tally) add(p vm.Path) { t.added[p]++ }

// drop takes an inactive console off.
func (t *tally) drop(p vm.Path) {
	t.inactive--
	if t.added[p]--; t.added[p] == 0 {
		delete(t.added, p)
	}
}
