package cli

import (
	"strings"
	"unicode/utf8"
)

// grid is a table. Its columns are as wide as what is in them; on a terminal
// some are shortened so that no line is longer than the terminal is wide.
type grid struct {
	rows      [][]cell
	shortened []int // columns that may be
}

// cell is a text without control characters, in a colour or "".
type cell struct {
	text   string
	colour colour
}

// text is a cell without a colour.
func text(s string) cell { return cell{text: s} }

// Layout of a grid, in characters.
const (
	gap      = 2 // between columns
	leastFit = 8 // a column is not made narrower
)

func newGrid(headings ...string) *grid {
	g := &grid{}
	row := make([]cell, len(headings))
	for i, h := range headings {
		row[i] = text(h)
	}
	g.rows = append(g.rows, row)
	return g
}

// shorten says which columns may be shortened.
func (g *grid) shorten(columns ...int) { g.shortened = columns }

// add adds a row, which has a cell for each heading.
func (g *grid) add(row ...cell) { g.rows = append(g.rows, row) }

func (g *grid) print(to *stream) error {
	widths := g.widths(to.width)
	var b strings.Builder
	for _, row := range g.rows {
		var line strings.Builder
		for i, c := range row {
			c.text = shortTo(c.text, widths[i], to.cut())
			line.WriteString(to.painted(c) + strings.Repeat(" ", widths[i]-count(c.text)+gap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := to.Write([]byte(b.String()))
	return err
}

// widths returns the width of each column so that all fit into limit, if they
// can; limit 0: none.
func (g *grid) widths(limit int) []int {
	widths := make([]int, len(g.rows[0]))
	for _, row := range g.rows {
		for i, c := range row {
			widths[i] = max(widths[i], count(c.text))
		}
	}
	total := gap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for limit > 0 && total > limit {
		widest := -1
		for _, i := range g.shortened {
			if widths[i] > leastFit && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// shortTo returns s in so many characters, the last of which is mark if something
// is missing.
func shortTo(s string, width int, mark string) string {
	if count(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + mark
}

// count is how many characters s has.
func count(s string) int { return utf8.RuneCountInString(s) }
