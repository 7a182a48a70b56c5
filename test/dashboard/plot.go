package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// curve is one that is drawn.
type curve struct {
	name, color string
	series
}

// Room around a plot, and within the legend below it.
const (
	axisLeft, axisBottom = 66, 18
	legendLine           = 15
	mostLegendLines      = 3
)

// timeseries draws curves with axes, and a legend.
func (c *canvas) timeseries(b box, l look, curves []curve, from, to time.Time) {
	b = c.legend(b, curves)
	b = box{b.x + axisLeft, b.y + 4, b.w - axisLeft - 10, b.h - axisBottom - 4}
	low, high := math.Inf(1), math.Inf(-1)
	if l.Min != nil {
		low = *l.Min
	}
	for _, is := range curves {
		for _, p := range is.points {
			low, high = min(low, p.v), max(high, p.v)
		}
	}
	if high < low {
		c.text(b.x+b.w/2, b.y+b.h/2, 12, gray, "middle", "No data")
		return
	}
	marks := ticks(l.Unit, low, high)
	low, high = marks[0], marks[len(marks)-1]
	y := func(v float64) float64 { return b.y + b.h - (v-low)/(high-low)*b.h }
	x := func(t time.Time) float64 {
		return b.x + max(0, t.Sub(from).Seconds()/to.Sub(from).Seconds())*b.w
	}
	for _, v := range marks {
		c.line(b.x, y(v), b.x+b.w, y(v), grid, "")
		c.text(b.x-6, y(v)+4, 11, gray, "end", format(l.Unit, v))
	}
	for t := from.Truncate(time.Minute).Add(time.Minute); t.Before(to); t = t.Add(time.Minute) {
		c.line(x(t), b.y, x(t), b.y+b.h, grid, "")
		c.text(x(t), b.y+b.h+14, 11, gray, "middle", t.Format("15:04"))
	}
	for _, is := range curves {
		c.curve(is, x, y, b.y+b.h)
	}
	for _, s := range l.Thresholds.Steps {
		if s.Value != nil && *s.Value < high && l.Custom.ThresholdsStyle.Mode == "line" {
			c.line(b.x, y(*s.Value), b.x+b.w, y(*s.Value), palette(s.Color), "6 4")
		}
	}
}

// curve draws one, with what is below it filled a little. It has gaps where there
// was nothing.
func (c *canvas) curve(is curve, x func(time.Time) float64, y func(float64) float64, bottom float64) {
	for begin := 0; begin < len(is.points); {
		end := begin + 1
		for end < len(is.points) && is.points[end].at.Sub(is.points[end-1].at) <= interval*3/2 {
			end++
		}
		var path strings.Builder
		for i, p := range is.points[begin:end] {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x(p.at), y(p.v))
		}
		first, last := x(is.points[begin].at), x(is.points[end-1].at)
		c.printf(`<path d="%sL%.1f %.1fL%.1f %.1fZ" fill="%s" fill-opacity=".1"/>`, &path, last, bottom, first, bottom, is.color)
		c.printf(`<path d="%s" fill="none" stroke="%s" stroke-width="1.2" stroke-linecap="round"/>`, &path, is.color)
		begin = end
	}
}

// legend draws names at the bottom, and returns what is left above.
func (c *canvas) legend(b box, curves []curve) box {
	const letter, mark = 6.3, 26
	x, lines := b.x+10, 1
	places := make([][2]float64, len(curves)) // x, and the line
	drawn := len(curves)
	for i, is := range curves {
		width := mark + letter*float64(len([]rune(is.name)))
		if x+width > b.x+b.w-10 && x > b.x+10 {
			x, lines = b.x+10, lines+1
		}
		if lines > mostLegendLines {
			drawn, lines = i, mostLegendLines
			break
		}
		places[i] = [2]float64{x, float64(lines)}
		x += width
	}
	top := b.y + b.h - float64(lines)*legendLine - 4
	for i, is := range curves[:drawn] {
		at, baseline := places[i][0], top+places[i][1]*legendLine-3
		c.rect(box{at, baseline - 5, 12, 3}, is.color, 1)
		c.text(at+16, baseline, 11, white, "start", is.name)
	}
	if more := len(curves) - drawn; more > 0 {
		c.text(b.x+b.w-10, b.y-8, 11, gray, "end", fmt.Sprintf("and %d more names", more))
	}
	return box{b.x, b.y, b.w, top - b.y}
}
