package e2e

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Layout of a picture of a terminal, in pixels.
const (
	cellWidth  = 8
	cellHeight = 17
	margin     = 12
	baseline   = 13 // from the top of a cell
	background = "#16181d"
	foreground = "#d4d7dd"
)

// palette has the colours 0 to 7 of ECMA-48.
var palette = []string{"#16181d", "#e5534b", "#57ab5a", "#d4a72c", "#539bf5", "#b083f0", "#39c5cf", "#d4d7dd"}

// rendition is how a character is shown.
type rendition struct {
	colour        string // "": that of all text
	bold, reverse bool
}

// obey changes the rendition as the parameters of an SGR say.
func (r *rendition) obey(parameters string) {
	for _, p := range strings.Split(parameters, ";") {
		switch n, _ := strconv.Atoi(p); {
		case n == 0:
			*r = rendition{}
		case n == 1, n == 22:
			r.bold = n == 1
		case n == 7, n == 27:
			r.reverse = n == 7
		case n >= 30 && n <= 37:
			r.colour = palette[n-30]
		case n == 39:
			r.colour = ""
		}
	}
}

var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// svg draws what "tmux capture-pane -p -e" prints of a terminal of that size.
func svg(captured string, width, height int) string {
	var b strings.Builder
	w, h := width*cellWidth+2*margin, height*cellHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="6" fill="%s"/>`+"\n", w, h, background)
	b.WriteString(`<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13">` + "\n")
	var r rendition
	for y, line := range strings.Split(captured, "\n") {
		x := 0
		for line != "" {
			at := sgr.FindStringSubmatchIndex(line)
			text, rest := line, ""
			if at != nil {
				text, rest = line[:at[0]], line[at[1]:]
			}
			x += r.draw(&b, text, x, y)
			if at != nil {
				r.obey(line[at[2]:at[3]])
			}
			line = rest
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// draw draws text of one rendition, and returns how many cells it took: one for each
// character.
func (r rendition) draw(b *strings.Builder, text string, x, y int) int {
	cells := len([]rune(text))
	colour := r.colour
	if colour == "" {
		colour = foreground
	}
	left, top := margin+x*cellWidth, margin+y*cellHeight
	if r.reverse && cells > 0 {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", left, top, cells*cellWidth, cellHeight, colour)
		colour = background
	}
	weight := ""
	if r.bold {
		weight = ` font-weight="bold"`
	}
	for _, at := range words.FindAllStringIndex(text, -1) {
		word := text[at[0]:at[1]]
		var escaped strings.Builder
		_ = xml.EscapeText(&escaped, []byte(word)) // a builder takes everything
		fmt.Fprintf(b, `<text x="%d" y="%d" textLength="%d" fill="%s"%s>%s</text>`+"\n", left+len([]rune(text[:at[0]]))*cellWidth, top+baseline,
			len([]rune(word))*cellWidth, colour, weight, escaped.String())
	}
	return cells
}

// words are what has at most one blank between each other: readers of pictures may
// take several for one.
var words = regexp.MustCompile(`[^ ]+( [^ ]+)*`)

func TestSVG(t *testing.T) {
	got := svg("\x1b[1mab\x1b[0m \x1b[32m<&>\x1b[39m\n\x1b[7;31mcd \x1b[27m▁\x1b[0m  ", 10, 2)
	for _, want := range []string{
		`width="104" height="58"`,
		`<text x="12" y="25" textLength="16" fill="#d4d7dd" font-weight="bold">ab</text>`,
		`<text x="36" y="25" textLength="24" fill="#57ab5a">&lt;&amp;&gt;</text>`,
		`<rect x="12" y="29" width="24" height="17" fill="#e5534b"/>`,
		`<text x="12" y="42" textLength="16" fill="#16181d">cd</text>`,
		`<text x="36" y="42" textLength="8" fill="#e5534b">▁</text>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	for d := xml.NewDecoder(strings.NewReader(got)); ; {
		if _, err := d.Token(); err != nil {
			if err.Error() != "EOF" {
				t.Error(err)
			}
			break
		}
	}
}
