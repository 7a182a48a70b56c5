package top

import "strings"

// The characters of a sparkline, from nothing to the largest.
const (
	bars      = "▁▂▃▄▅▆▇█"
	barsASCII = "_.:-=+*#"
)

// spark draws values as bars, the last at the right end. The highest bar is most,
// or what is largest if that is more.
func (l Look) spark(values []float64, most float64, width int) string {
	if width <= 0 {
		return ""
	}
	values = values[max(0, len(values)-width):]
	for _, v := range values {
		most = max(most, v)
	}
	levels := []rune(bars)
	if l.ASCII {
		levels = []rune(barsASCII)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		level := 0
		if most > 0 && v > 0 {
			level = min(int(v/most*float64(len(levels))), len(levels)-1)
		}
		b.WriteRune(levels[level])
	}
	return b.String()
}

// quiet is the traffic up to which a sparkline stays low, in bytes a second.
const quiet = 1024
