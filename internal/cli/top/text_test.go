package top

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[float64]string{
		-1: "-", 0: "0", 0.4: "0", 999: "999", 999.4: "999", 999.6: "1.0K", 1024: "1.0K", 1500: "1.5K", 10188: "9.9K", 10190: "10K",
		1 << 20: "1.0M", 1023 << 10: "1.0M", 32 << 20: "32M", 5 << 30: "5.0G", 1 << 50: "1.0P", 1 << 62: "4.0E",
	} {
		if got := compact(n); got != want {
			t.Errorf("compact(%v) = %q, want %q", n, got, want)
		}
	}
	for cpu, want := range map[float64]string{-1: "-", 0: "0.0", 0.123: "12.3", 0.9994: "99.9", 0.9996: "100", 1: "100", 12.345: "1234"} {
		if got := percent(cpu); got != want {
			t.Errorf("percent(%v) = %q, want %q", cpu, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if s := compact(rapid.Float64Range(0, 1e21).Draw(t, "n")); len(s) > 5 {
			t.Fatalf("%q is too long", s)
		}
	})
}

func TestSpark(t *testing.T) {
	for _, test := range []struct {
		look   Look
		values []float64
		most   float64
		width  int
		want   string
	}{
		{Look{}, []float64{0, 0.124, 0.125, 0.5, 0.99, 1}, 1, 8, "  ▁▁▂▅██"},
		{Look{ASCII: true}, []float64{0, 0.124, 0.125, 0.5, 0.99, 1}, 1, 8, "  __.=##"},
		{Look{}, []float64{4, 2, 1, 0}, 1, 4, "█▅▃▁"},
		{Look{}, []float64{9, 1, 0}, 1, 2, "█▁"},
		{Look{}, nil, 0, 3, "   "},
		{Look{}, []float64{-1, 0}, 0, 2, "▁▁"},
		{Look{}, []float64{1}, 1, 0, ""},
	} {
		if got := test.look.spark(test.values, test.most, test.width); got != test.want {
			t.Errorf("spark(%v, %v, %d) = %q, want %q", test.values, test.most, test.width, got, test.want)
		}
	}
}

func TestTabs(t *testing.T) {
	for in, want := range map[string]string{
		"none": "none", "\t": "        ", "a\tb": "a       b", "12345678\tb": "12345678        b", "漢\tb": "漢      b", "a\t\tb": "a               b",
	} {
		if got := detab(in); got != want {
			t.Errorf("detab(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	const indent = "              " // below the time
	for _, test := range []struct {
		text  string
		width int
		want  []string
	}{
		{"short", 80, []string{"short"}},
		{"", 80, []string{""}},
		{strings.Repeat("x", 56), 56, []string{strings.Repeat("x", 56)}},
		{strings.Repeat("x", 57), 56, []string{strings.Repeat("x", 56), indent + "x"}},
		{strings.Repeat("x", 99), 56, []string{strings.Repeat("x", 56), indent + strings.Repeat("x", 42), indent + "x"}},
		{"abcdef", 4, []string{"abcd", "ef"}},
		{"漢字漢字", 5, []string{"漢字", "漢字"}},
	} {
		if diff := cmp.Diff(test.want, wrap(test.text, test.width, belowTime, false)); diff != "" {
			t.Errorf("%q at %d: %s", test.text, test.width, diff)
		}
	}
	prose := []string{"0123456789  some words that", "fit and"}
	if diff := cmp.Diff(prose, wrap("0123456789  some words that fit and", 27, belowTime, true)); diff != "" {
		t.Error(diff)
	}
	prose = []string{"name        " + strings.Repeat("word ", 8) + "word", "            " + "last"}
	if diff := cmp.Diff(prose, wrap("name        "+strings.Repeat("word ", 9)+"last", 58, belowWhat, true)); diff != "" {
		t.Error(diff)
	}
	if long := wrap(strings.Repeat("x", 100000), 80, belowTime, false); len(long) > 100 {
		t.Errorf("a line takes %d lines", len(long))
	}
}

// Nothing of a line is lost when it is broken, and no part is too wide.
func TestWrapLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab 漢é…-")), 0, 300, -1).Draw(t, "text")
		width := rapid.IntRange(2, 120).Draw(t, "width")
		var all strings.Builder
		for i, part := range wrap(text, width, belowTime, false) {
			if ansi.StringWidth(part) > width {
				t.Fatalf("%q is wider than %d", part, width)
			}
			if i > 0 && width >= 4*belowTime {
				part = part[belowTime:]
			}
			all.WriteString(part)
		}
		if all.String() != text {
			t.Fatalf("%q became %q", text, all.String())
		}
	})
}

// Columns give way in their order, and names last.
func TestColumnsThatFit(t *testing.T) {
	for width, want := range map[int]string{
		0:   "STATE CPU%  MEM OF RX/s TX/s  RESTARTS UPTIME",
		140: "STATE CPU%  MEM OF RX/s TX/s  RESTARTS UPTIME",
		90:  "STATE CPU%  MEM RX/s TX/s RESTARTS UPTIME",
		80:  "STATE CPU% MEM RX/s TX/s RESTARTS UPTIME",
		60:  "STATE CPU% MEM RX/s TX/s",
		40:  "CPU% MEM",
		20:  "",
		1:   "",
	} {
		cols, name := fitting(columns(), 20, width)
		var headings []string
		for _, c := range cols {
			headings = append(headings, c.heading)
		}
		if got := strings.Join(headings, " "); got != want {
			t.Errorf("%d: %q, want %q", width, got, want)
		}
		if total := taken(cols, name); width > marker && total > width {
			t.Errorf("%d: the table takes %d", width, total)
		}
	}
}
