package cli

import "albatross/internal/cli/words"

// visible returns s with everything escaped that a terminal might obey or hide.
func visible(s string) string { return words.Visible(s) }

// shown reports whether visible leaves r as it is.
func shown(r rune) bool { return words.Shown(r) }
