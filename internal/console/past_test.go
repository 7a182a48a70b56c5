package console

import (
	"strings"
	"testing"

	"albatross/internal/console/lines"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// A client that gets a flood of short lines pays for what they cost, which is not their
// bytes.
func TestCostOfLines(t *testing.T) {
	limits := DefaultLimits()
	for text, want := range map[string]int{"\n": leastCost, "short\n": leastCost, strings.Repeat("x", 100) + "\n": 100} {
		f := newFeed(&limits, nil)
		f.publish(lines.NewSplitter(limits.LineBytes), []byte(strings.Repeat(text, 50)))
		p := f.past(name(t, ":x"), wire.ConsoleSubscribe{Count: 50}, false, oneChunk)
		n := 0
		for range p.lines(t.Context()) {
			n++
		}
		if n != 50 || p.cost != n*want {
			t.Errorf("%d lines %q cost %d, want %d each", n, text, p.cost, want)
		}
	}
}

// The newest lines are there for who asked for them, however many come before they are
// read: of a flood one sees something.
func TestPastOfAFlood(t *testing.T) {
	limits := DefaultLimits()
	all := fields(numbered(0, 1000))
	for _, test := range []struct {
		count, chunk int
		want         []string
	}{
		{3, oneChunk, all[997:]},
		{1000, oneChunk, all},
		{3, 10, all[999:]}, // one at least
		{0, oneChunk, nil},
	} {
		f := newFeed(&limits, nil)
		split := lines.NewSplitter(limits.LineBytes)
		f.publish(split, []byte(numbered(0, 1000)))
		p := f.past(name(t, ":x"), wire.ConsoleSubscribe{Count: test.count}, false, test.chunk)
		f.publish(split, []byte(numbered(1000, 10_000)))
		var got []string
		for range 2 { // whoever stops goes on where it was
			for _, line := range p.lines(t.Context()) {
				got = append(got, string(line.Text))
				if len(got) == 1 {
					break
				}
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" || p.from != 1000 || p.missing != 0 {
			t.Errorf("%d lines: %s; the next one is %d, %d are missing", test.count, diff, p.from, p.missing)
		}
	}
}
