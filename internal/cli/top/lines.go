package top

import (
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"albatross/internal/api"
	"albatross/internal/cli/words"
	"albatross/internal/client"
)

// mostLines is how many lines are kept of what is followed.
const mostLines = 5000

// lines is what was told of a stream.
type lines struct {
	began   bool
	prose   bool     // long ones are broken between words
	all     []string // harmless, the oldest first
	skipped int      // how many at the end are below the window; 0: it follows
}

// add adds lines. Who looks at older ones goes on to do so.
func (l *lines) add(some []string) {
	l.all = append(l.all, some...)
	if l.skipped > 0 {
		l.skipped += len(some)
	}
	if len(l.all) > 2*mostLines {
		l.all = append(l.all[:0], l.all[len(l.all)-mostLines:]...)
	}
}

// console adds what a unikernel wrote.
func (l *lines) console(look Look, some []client.Line) {
	texts := make([]string, len(some))
	for i, line := range some {
		texts[i] = look.local(line.Time).Format("15:04:05.000") + "  " + harmless(line.Text)
	}
	l.add(texts)
}

// events adds what happened.
func (l *lines) events(w Words, some []api.Event) {
	texts := make([]string, len(some))
	for i, e := range some {
		texts[i] = detab(w.Event(e))
	}
	l.prose = true
	l.add(texts)
}

// scroll moves the window down by so many lines.
func (l *lines) scroll(down int) {
	l.skipped -= down
	l.clamp()
}

func (l *lines) clamp() { l.skipped = min(max(l.skipped, 0), max(len(l.all)-1, 0)) }

// window returns the lines that are seen, long ones on several lines of the screen.
func (l *lines) window(width, height int) []string {
	var seen []string // the last first
	for i := len(l.all) - 1 - l.skipped; i >= 0 && len(seen) < height; i-- {
		parts := wrap(l.all[i], width, belowTime, l.prose)
		slices.Reverse(parts)
		seen = append(seen, parts...)
	}
	seen = seen[:min(len(seen), max(height, 0))]
	slices.Reverse(seen)
	return seen
}

// Layout of a line that needs several.
const (
	longest   = 4096 // characters; the rest is left out
	belowTime = 14   // characters before all but the first, of a console or events
	belowWhat = 12   // the same of details
)

// wrap breaks a line at width, prose between words; what follows the first is
// indented, if there is room.
func wrap(text string, width, indent int, prose bool) []string {
	text = ansi.Truncate(text, longest, "…")
	if width < 4*indent {
		indent = 0
	}
	broken := func(s string, width int) string {
		if prose {
			return ansi.Wrap(s, width, "")
		}
		return ansi.Hardwrap(s, width, true)
	}
	first, _, more := strings.Cut(broken(text, width), "\n")
	parts := []string{closed(first)}
	if !more {
		return parts
	}
	rest := strings.TrimPrefix(text, first)
	if prose {
		rest = strings.TrimLeft(rest, " ")
	}
	for part := range strings.SplitSeq(broken(rest, width-indent), "\n") {
		parts = append(parts, strings.Repeat(" ", indent)+closed(part))
	}
	return parts
}

// harmless is what somebody else may have written, as text of one line.
func harmless(s string) string { return detab(words.Visible(s)) }

// detab has blanks in the place of tabs, which move the cursor to where a terminal
// likes.
func detab(s string) string {
	if !strings.Contains(s, "\t") {
		return s
	}
	const stop = 8
	var b strings.Builder
	at := 0
	for i, part := range strings.Split(s, "\t") {
		if i > 0 {
			blanks := stop - at%stop
			b.WriteString(strings.Repeat(" ", blanks))
			at += blanks
		}
		b.WriteString(part)
		at += ansi.StringWidth(part)
	}
	return b.String()
}

// local is t where the user is.
func (l Look) local(t time.Time) time.Time {
	if l.Zone == nil {
		return t.UTC()
	}
	return t.In(l.Zone)
}
