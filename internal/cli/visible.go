package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns s with everything escaped that a terminal might obey or hide:
// control characters, invisible and direction-changing ones, and bytes that are
// no UTF-8. A guest may write anything to its console, and a terminal that obeys
// can be made to lie about what happened, or to type commands.
func visible(s string) string {
	if plainText(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case shown(r) && (r != utf8.RuneError || n > 1):
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

func shown(r rune) bool { return r == '\t' || unicode.IsPrint(r) }

// plainText reports whether s is what almost all lines are: printable ASCII.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}
