package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"albatross/internal/api"
	"albatross/internal/vm"
)

func TestGrid(t *testing.T) {
	g := newGrid("NAME", "N", "WHY")
	g.shorten(0, 2)
	g.add(text("a-very-long-name"), text("1"), text("for a reason that takes many words"))
	g.add(text("b"), text("2"), text(""))
	for width, want := range map[int]string{
		0:  "NAME              N  WHY\na-very-long-name  1  for a reason that takes many words\nb                 2\n",
		40: "NAME              N  WHY\na-very-long-name  1  for a reason that …\nb                 2\n",
		30: "NAME          N  WHY\na-very-long…  1  for a reason…\nb             2\n",
		5:  "NAME      N  WHY\na-very-…  1  for a r…\nb         2\n", // it does not fit
	} {
		var b bytes.Buffer
		if err := g.print(&stream{w: &b, width: width}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("width %d: %s", width, diff)
		}
	}
}

// TestGridFits has no line longer than a terminal that has room for the columns
// which must not be shortened.
func TestGridFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGrid("A", "B", "C")
		g.shorten(0, 2)
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			g.add(text(rapid.String().Draw(t, "a")), text(rapid.StringN(0, 10, -1).Draw(t, "b")), text(rapid.String().Draw(t, "c")))
		}
		width := rapid.IntRange(10+2*leastFit+2*gap, 100).Draw(t, "width")
		sum := gap * 2
		for _, w := range g.widths(width) {
			sum += w
		}
		if sum > width {
			t.Fatalf("%d characters in %d", sum, width)
		}
	})
}

// TestInfoOnATerminal has nothing wrap at 80 columns.
func TestInfoOnATerminal(t *testing.T) {
	n, err := vm.ParseName("shop.a-name-of-many-letters-and-more-than-anyone-needs")
	if err != nil {
		t.Fatal(err)
	}
	s := api.State{
		Unikernels: []api.Unikernel{{Name: n, Phase: api.PhaseRunning, Started: time.Unix(900, 0), PID: 1 << 22}},
		Ended:      []api.Ended{{Name: n, At: time.Unix(900, 0), Exit: vm.Exit{Signal: 11}, Reason: vm.Exit{Signal: 11}.Reason()}},
	}
	a, b := onTerminal(true)
	a.out.width = 80
	if err := a.showList(s, false); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		bare := strings.NewReplacer("\x1b[32m", "", "\x1b[39m", "", "\n", "").Replace(line)
		if n := utf8.RuneCountInString(bare); n > 80 {
			t.Errorf("%d characters: %q", n, bare)
		}
	}
	if strings.Count(b.String(), "…") != 3 {
		t.Errorf("what is missing is not marked: %q", b)
	}
}

// TestEnds lists no more than are of interest, unless all are wanted.
func TestEnds(t *testing.T) {
	var s api.State
	for i := range 30 {
		n, err := vm.ParseName(fmt.Sprintf("gone%d", i))
		if err != nil {
			t.Fatal(err)
		}
		s.Ended = append(s.Ended, api.Ended{Name: n, At: time.Unix(int64(1000-i), 0)})
	}
	for all, want := range map[bool]int{false: mostEnds, true: 30} {
		a, b := onTerminal(false)
		if err := a.showEnds(s, all, false); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(b.String(), "\ngone"); got != want {
			t.Errorf("all=%t: %d ends, want %d", all, got, want)
		}
		if got := strings.Contains(b.String(), "see 20 ends more with: albatross info --all"); got == all {
			t.Errorf("all=%t: %q", all, b)
		}
	}
}
