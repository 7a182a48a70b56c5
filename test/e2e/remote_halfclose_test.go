package e2e

import (
	"testing"

	"albatross/internal/wire"
)

// TestListOfConsolesForWhoEndsFirst asks for the list of consoles and ends the own
// direction at once, as openssl s_client </dev/null does; info is answered then.
func TestListOfConsolesForWhoEndsFirst(t *testing.T) {
	f := newFarWorld(t, "")
	alice := f.delegate("alice", "--unikernels", "2", "--mem", "64")
	for range 20 {
		if h := f.presents(alice.sign(t, certificate{name: ".", command: wire.UnikernelInfo{}}), nil); h.refused() {
			t.Fatalf("info is answered by %+v, %v", h.messages, h.err)
		}
		if h := f.presents(alice.sign(t, certificate{name: ".", command: wire.ConsoleListInactive{}}), nil); h.refused() {
			t.Errorf("the list of consoles is answered by %+v, %v", h.messages, h.err)
		}
	}
}
