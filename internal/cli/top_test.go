package cli

import (
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/cli/top"
	"albatross/internal/vm"
)

// TestTopTellsAsInfoAndEventsDo has what top shows of one unikernel, in the words of
// the other commands.
func TestTopTellsAsInfoAndEventsDo(t *testing.T) {
	a, printed := onTerminal(false)
	s := forest(t)
	for i := range s.Unikernels { // times of day are local
		s.Unikernels[i].Started = time.Time{}
	}
	m := top.New(vm.Name{}, top.Look{}, top.Words{Details: a.detailLines, Ending: ending, Event: a.eventLine})
	m.Update(top.Resized{Width: 80, Height: 40})
	m.Update(top.StateTold{State: s, At: time.Unix(1000, 0)})
	for _, key := range []top.Key{"1", "end", "enter"} {
		m.Update(key)
	}
	of := m.Wanted()
	m.Update(top.StreamBegan{Of: of})
	m.Update(top.EventsTold{Of: of, Events: []api.Event{{
		At: time.Unix(700, 0), Kind: api.EventEnded, Name: of.Name, Exit: &vm.Exit{Signal: 11}, Text: "a\tb\x1b[2J", PID: 12,
	}}})
	screen := m.Screen()
	at := time.Unix(700, 0).Local().Format(lineTime)
	golden(t, "top/details.txt", strings.ReplaceAll(screen, at, "1970-01-01 00:11:40.000")+"\n")
	if printed.Len() > 0 {
		t.Errorf("it printed %q", printed)
	}
}
