package host

import (
	"context"
	"errors"
	"slices"
	"testing"

	"albatross/internal/pki"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// TestDestroyRevokedAsksAgain has unikernels change between the look for those that
// are to be destroyed and their turn.
func TestDestroyRevokedAsksAgain(t *testing.T) {
	of := func(who string) *unit {
		return &unit{record: store.Unikernel{Name: name(t, "a"), Chain: []pki.Link{{Subject: who}}}}
	}
	for what, now := range map[string]*unit{
		"gone":                  nil,
		"replaced by another's": of("bob"),
		"replaced by one here":  {record: store.Unikernel{Name: name(t, "a")}},
	} {
		h := &Host{units: map[vm.Name]*unit{name(t, "a"): of("alice")}}
		asked := 0
		names, err := h.DestroyRevoked(t.Context(), func(chain []pki.Link) bool {
			asked++
			if asked == 1 { // the host's lock is held
				delete(h.units, name(t, "a"))
				if now != nil {
					h.units[name(t, "a")] = now
				}
			}
			return chain[0].Subject == "alice"
		})
		if err != nil || len(names) != 0 {
			t.Errorf("%s: destroyed %v, %v", what, names, err)
		}
	}
}

// TestDestroyRevoked destroys what one who is revoked created, after an attempt that
// failed.
func TestDestroyRevoked(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	must(t, w.create("b", "ticker", config(), false))
	w.host.unit(name(t, "a")).record.Chain = []pki.Link{{Subject: "alice"}}
	gone := func(chain []pki.Link) bool { return chain[0].Subject == "alice" }
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if names, err := w.host.DestroyRevoked(over, gone); !errors.Is(err, context.Canceled) || len(names) != 0 {
		t.Errorf("destroyed %v, %v", names, err)
	}
	if names, err := w.host.DestroyRevoked(t.Context(), gone); err != nil || !slices.Equal(names, []vm.Name{name(t, "a")}) {
		t.Errorf("destroyed %v, %v", names, err)
	}
	if w.host.unit(name(t, "a")) != nil || w.host.unit(name(t, "b")) == nil {
		t.Error("another one is destroyed")
	}
}
