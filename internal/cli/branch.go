package cli

import (
	"slices"
	"strings"
)

// treeDrawing is a tree that is being drawn:
//
//	.          unikernels 3/any, memory 128/4096 MB, no block devices, cpus 0-3,
//	│          bridges service
//	├─ early   waiting  in 3m20s  32 MB  5 restarts
//	└─ shop.   unikernels 2/10, memory 96/512 MB, block 0/10 MB, cpus 0-1, no bridges
//	   ├─ dns  running  3d4h      32 MB
//	   └─ www  running  2h5m      64 MB  1 restart, 2h5m ago: signal 11 (SIGSEGV)
//
// Labels stand in a column of their own; behind them the cells of unikernels are
// columns, and words are wrapped where the terminal ends.
type treeDrawing struct {
	app   *app
	told  bool // which policies there are
	lines boughs
	rows  []treeRow
}

// treeRow is one thing in the tree. It has either words, or cells and what comes
// last: the first of these that fits.
type treeRow struct {
	twig
	label    string
	branches bool // something is below it
	words    []cell
	cells    []cell
	last     []string
}

// twig is what a row has in front of its label, and what the lines below it have
// in that place.
type twig struct{ first, rest string }

// boughs are what twigs are made of. All are of one width but down, which leads
// from a path to what is below it.
type boughs struct{ next, last, past, none, down string }

var (
	branches      = boughs{"├─ ", "└─ ", "│  ", "   ", "│"}
	asciiBranches = boughs{"|- ", "`- ", "|  ", "   ", "|"}
)

// below returns the twig of a thing below the one at t.
func (t *treeDrawing) below(at twig, last bool) twig {
	if last {
		return twig{at.rest + t.lines.last, at.rest + t.lines.none}
	}
	return twig{at.rest + t.lines.next, at.rest + t.lines.past}
}

// leastWords is how many characters are left for what is behind the labels, as far
// as terminals allow.
const leastWords = 40

func (t *treeDrawing) print() error {
	labels, columns := t.widths(t.app.out.width)
	behind := 0 // characters behind the labels; 0: any number
	if t.app.out.width > 0 {
		behind = max(t.app.out.width-labels-gap, leastFit)
	}
	var b strings.Builder
	for _, r := range t.rows {
		front := r.first + shortTo(r.label, labels-count(r.first), t.app.out.cut())
		rests := t.app.out.wrap(r.words, behind)
		if len(r.cells) > 0 {
			rests = []string{t.joined(r, columns, behind)}
		}
		for _, rest := range rests {
			b.WriteString(strings.TrimRight(padded(front, labels+gap)+rest, " ") + "\n")
			front = r.rest
			if r.branches {
				front += t.lines.down
			}
		}
	}
	_, err := t.app.out.Write([]byte(b.String()))
	return err
}

// widths returns the width of the labels with their twigs, and those of the
// columns of unikernels.
func (t *treeDrawing) widths(limit int) (labels int, columns []int) {
	least := 0
	for _, r := range t.rows {
		labels = max(labels, count(r.first)+count(r.label))
		least = max(least, count(r.first)+min(count(r.label), leastFit))
		for i, c := range r.cells {
			if i == len(columns) {
				columns = append(columns, 0)
			}
			columns[i] = max(columns[i], count(c.text))
		}
	}
	if limit > 0 {
		labels = min(labels, max(limit-gap-leastWords, least))
	}
	return labels, columns
}

// joined returns the cells of r in their columns, and what comes last so that all
// have no more than limit characters, if that is not 0.
func (t *treeDrawing) joined(r treeRow, columns []int, limit int) string {
	var b strings.Builder
	used := 0
	for i, c := range r.cells {
		used += columns[i] + gap
		b.WriteString(t.app.out.painted(c) + strings.Repeat(" ", columns[i]-count(c.text)+gap))
	}
	if limit == 0 {
		return b.String() + r.last[0]
	}
	left := max(limit-used, leastFit)
	fits := slices.IndexFunc(r.last, func(s string) bool { return count(s) <= left })
	if fits < 0 {
		fits = len(r.last) - 1
	}
	return b.String() + shortTo(r.last[fits], left, t.app.out.cut())
}

// wrap joins words by blanks to lines of at most width characters, as far as none
// is longer; width 0: any number.
func (s *stream) wrap(words []cell, width int) []string {
	var lines [][]cell
	used := 0
	for _, w := range words {
		n := count(w.text)
		if len(lines) == 0 || width > 0 && used+1+n > width {
			lines, used = append(lines, []cell{w}), n
			continue
		}
		used += 1 + n
		line := &lines[len(lines)-1]
		if last := &(*line)[len(*line)-1]; last.colour == w.colour {
			last.text += " " + w.text
			continue
		}
		*line = append(*line, w)
	}
	wrapped := make([]string, max(len(lines), 1)) // a line without words is one
	for i, line := range lines {
		painted := make([]string, len(line))
		for j, c := range line {
			painted[j] = s.painted(c)
		}
		wrapped[i] = strings.Join(painted, " ")
	}
	return wrapped
}

// padded fills s up with blanks to a width.
func padded(s string, width int) string { return s + strings.Repeat(" ", max(width-count(s), 0)) }
