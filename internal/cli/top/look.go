package top

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Look is what the terminal can show.
type Look struct {
	Colours bool           // and reverse, and bold
	ASCII   bool           // the locale has no other characters
	Zone    *time.Location // of times; nil: UTC
}

// style is a graphic rendition of ECMA-48; "" is none.
type style string

const (
	bold    style = "1"
	reverse style = "7"
	red     style = "31"
	green   style = "32"
	yellow  style = "33"
	cyan    style = "36"
)

// reset ends all renditions.
const reset = "\x1b[m"

// paint returns text in a style, or as it is where there are none.
func (l Look) paint(s style, text string) string {
	if !l.Colours || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + reset
}

// closed ends the renditions that a text may have left open.
func closed(s string) string {
	if strings.Contains(s, "\x1b") {
		return s + reset
	}
	return s
}

// cut returns text that is not wider than width; the mark of what is missing is its
// last character.
func (l Look) cut(text string, width int) string {
	mark := "…"
	if l.ASCII {
		mark = "~"
	}
	switch {
	case width <= 0:
		return ""
	case ansi.StringWidth(text) <= width:
		return text
	}
	return closed(ansi.Truncate(text, width, mark))
}

// left returns text with blanks behind it, as wide as width.
func (l Look) left(text string, width int) string {
	text = l.cut(text, width)
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

// right returns text with blanks before it, as wide as width.
func (l Look) right(text string, width int) string {
	text = l.cut(text, width)
	return strings.Repeat(" ", max(0, width-ansi.StringWidth(text))) + text
}

// ends returns a line with one text at each end, or only the first if there is no
// room for both.
func (l Look) ends(first, last string, width int) string {
	blanks := width - ansi.StringWidth(first) - ansi.StringWidth(last)
	if blanks < 2 {
		return first
	}
	return first + strings.Repeat(" ", blanks) + last
}
