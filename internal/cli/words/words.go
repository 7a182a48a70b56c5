// Package words is how the command line writes things for people: durations, and
// what somebody else may have written.
//
// internal/cli and internal/cli/top import it; it imports the standard library.
package words

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Span writes a duration by its two largest units: 5s, 3m20s, 2h5m, 4d3h. What is
// less than nothing is 0s.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	two := func(large, small time.Duration, l, s string) string {
		if rest := d % large / small; rest > 0 {
			return fmt.Sprintf("%d%s%d%s", d/large, l, rest, s)
		}
		return fmt.Sprintf("%d%s", d/large, l)
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return two(time.Minute, time.Second, "m", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "m")
	}
	return two(day, time.Hour, "d", "h")
}

// Visible returns s with everything escaped that a terminal might obey or hide:
// control characters but tabs, invisible and direction-changing ones, and bytes
// that are no UTF-8. A guest may write anything to its console, and a terminal that
// obeys can be made to lie about what happened, or to type commands.
func Visible(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case Shown(r) && (r != utf8.RuneError || n > 1):
			b.WriteString(s[:n])
		case n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// Shown reports whether Visible leaves r as it is.
func Shown(r rune) bool { return r == '\t' || unicode.IsPrint(r) }

// plain reports whether s is what almost all lines are: printable ASCII.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}
