package wire

import (
	"fmt"
	"strings"

	"albatross/internal/vm"
)

// StateForm is the form of a state file: the number is that of its outer tag.
type StateForm int

// The forms of state files that can be read and written.
const (
	StateV3      StateForm = 3 // Albatross 1.2: unikernels as ConfigV3, names with dots, no policies
	StateV4      StateForm = 4 // unikernels as ConfigV3, and policies
	StateV5      StateForm = 5 // unikernels as ConfigV4, and policies
	StateCurrent StateForm = 6 // Albatross 2.7: unikernels as ConfigCurrent, and policies
)

// Stored is a unikernel in a state file.
type Stored struct {
	Name      vm.Name
	Config    vm.Config
	Image     []byte // nil where it is streamed
	ImageSize int64  // bytes; where Image is given, its length
}

// State is what a state file holds. Albatross writes each list in ascending
// order of names and reads any.
type State struct {
	Form       StateForm
	Unikernels []Stored
	Policies   []Named[vm.Policy]
}

// Limits of a state file that is read.
const (
	maxStored      = 100_000         // unikernels
	maxStoredEntry = DefaultMaxFrame // bytes of one without its image
	maxPolicies    = 4 << 20         // bytes of all policies
)

// config returns the form of the unikernels, false if f is none.
func (f StateForm) config() (ConfigForm, bool) {
	switch f {
	case StateV3, StateV4:
		return ConfigV3, true
	case StateV5:
		return ConfigV4, true
	case StateCurrent:
		return ConfigCurrent, true
	}
	return 0, false
}

// parseName reads a name as the form spells it.
func (f StateForm) parseName(s string) (vm.Name, error) {
	if f == StateV3 {
		return vm.ParseName(s)
	}
	return vm.ParseWireName(s)
}

// printName is the opposite of parseName.
func (f StateForm) printName(n vm.Name) (string, error) {
	switch {
	case f != StateV3:
		return n.Wire(), nil
	case strings.Contains(n.Wire(), "."):
		return "", fmt.Errorf("the name %q has a dot in a label, which has no place in this old form and %w", n.Wire(), ErrNotRepresentable)
	}
	return n.String(), nil
}
