package cli

import (
	"fmt"
	"strings"
	"time"

	"albatross/internal/cli/words"
)

// span writes a duration by its two largest units: 5s, 3m20s, 2h5m, 4d3h.
func span(d time.Duration) string { return words.Span(d) }

// size writes a number of bytes: 512 B, 1.4 KB, 32 MB, in steps of 1024.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 1024 && unit < 4 {
		value /= 1024
		unit++
	}
	return strings.Replace(fmt.Sprintf("%.1f %cB", value, " KMGT"[unit]), ".0 ", " ", 1)
}

// quoted writes s as a word of a shell.
func quoted(s string) string {
	safe := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+=:,@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// plural writes a count: 1 unikernel, 2 unikernels.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
