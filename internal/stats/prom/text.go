package prom

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"
)

// Kinds of families.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// page writes families of metrics. The first error of what it writes to ends it.
type page struct {
	out  *bufio.Writer
	name string // of the present family
	line []byte
}

func newPage(w io.Writer) *page { return &page{out: bufio.NewWriterSize(w, 64<<10)} }

func (p *page) flush() error { return p.out.Flush() }

// family begins one. All samples of a family are in one place.
func (p *page) family(name, kind, help string) {
	p.name = name
	p.line = append(p.line[:0], "# HELP "...)
	p.line = append(p.line, name...)
	p.line = append(p.line, ' ')
	p.line = append(p.line, helpEscapes.Replace(help)...)
	p.line = append(p.line, "\n# TYPE "...)
	p.line = append(p.line, name...)
	p.line = append(p.line, ' ')
	p.line = append(p.line, kind...)
	p.write()
}

// sample writes one sample of the family. The labels are as labels makes them;
// pairs are further ones, names and values, where there are some already.
func (p *page) sample(labels string, value float64, pairs ...string) {
	p.suffixed("", labels, value, pairs...)
}

// suffixed is sample, for the parts of a histogram.
func (p *page) suffixed(suffix, labels string, value float64, pairs ...string) {
	p.line = append(p.line[:0], p.name...)
	p.line = append(p.line, suffix...)
	if labels != "" {
		p.line = append(p.line, '{')
		p.line = append(p.line, labels...)
		p.line = appendLabels(p.line, pairs...)
		p.line = append(p.line, '}')
	}
	p.line = append(p.line, ' ')
	p.line = appendNumber(p.line, value)
	p.write()
}

func (p *page) write() {
	p.line = append(p.line, '\n')
	_, _ = p.out.Write(p.line) // flush returns the error
}

func appendNumber(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// labels makes the labels of a sample of names and values, one after the other.
func labels(pairs ...string) string { return string(appendLabels(nil, pairs...)) }

// appendLabels adds labels to those that are there.
func appendLabels(b []byte, pairs ...string) []byte {
	for i := 0; i+1 < len(pairs); i += 2 {
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, pairs[i]...)
		b = append(b, '=', '"')
		b = append(b, value(pairs[i+1])...)
		b = append(b, '"')
	}
	return b
}

var (
	valueEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// value is the text of a label between its quotes.
func value(s string) string {
	return valueEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD"))
}
