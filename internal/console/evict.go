package console

import "albatross/internal/vm"

// holder is what it takes to decide which console goes.
type holder struct {
	name   vm.Name
	active bool
	ended  uint64 // of an inactive one: those that ended earlier have lower numbers
}

// victim returns the console that has been inactive for longest, if there are
// more consoles than allowed and one of them is inactive. (Albatross 2.7 takes
// the first by name.)
func victim(holders []holder, allowed int) (vm.Name, bool) {
	if len(holders) <= allowed {
		return vm.Name{}, false
	}
	var found *holder
	for i := range holders {
		h := &holders[i]
		if !h.active && (found == nil || h.ended < found.ended) {
			found = h
		}
	}
	if found == nil {
		return vm.Name{}, false
	}
	return found.name, true
}
