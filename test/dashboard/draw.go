package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sizes in pixels: of a cell of the grid, between panels, above all of them.
const (
	cellWidth, cellHeight = 50, 30
	gap                   = 4
	header                = 44
	titleHeight           = 26
)

// Colours of the dark theme.
const (
	background, surface, grid = "#111217", "#181b1f", "#2c3035"
	white, gray               = "#d8d9da", "#9a9ea6"
)

var curveColors = []string{
	"#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#5195ce", "#ba43a9", "#8f7dd8", "#a6c48a", "#e0b400",
	"#70dbed", "#f9934e", "#ea6460", "#82b5d8", "#d683ce", "#aea2e0",
}

// palette returns one of Grafana's named colours.
func palette(name string) string {
	known := map[string]string{"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2", "yellow": "#fade2a"}
	if c, ok := known[name]; ok {
		return c
	}
	return gray
}

// box is a place on the canvas.
type box struct{ x, y, w, h float64 }

// canvas is an SVG.
type canvas struct{ bytes.Buffer }

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

func (c *canvas) rect(b box, color string, round float64) {
	c.printf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.0f" fill="%s"/>`, b.x, b.y, max(b.w, 0), max(b.h, 0), round, color)
}

func (c *canvas) line(x1, y1, x2, y2 float64, color, dashes string) {
	c.printf(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-dasharray="%s"/>`, x1, y1, x2, y2, color, dashes)
}

func (c *canvas) text(x, y, size float64, color, anchor, s string) {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(s)) // a Builder takes everything
	c.printf(`<text x="%.1f" y="%.1f" font-size="%.0f" fill="%s" text-anchor="%s">%s</text>`, x, y, size, color, anchor, &escaped)
}

// draw asks all queries of a dashboard, and returns its picture.
func draw(ctx context.Context, d *dashboard, a asker, from, to time.Time) ([]byte, error) {
	rows := 0
	for _, p := range d.Panels {
		rows = max(rows, p.GridPos.Y+p.GridPos.H)
	}
	width, height := 24*cellWidth+2*gap, header+rows*cellHeight+gap
	c := new(canvas)
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Inter, 'DejaVu Sans', sans-serif">`, width, height)
	c.rect(box{0, 0, float64(width), float64(height)}, background, 0)
	c.text(12, 28, 18, white, "start", d.Title)
	c.text(float64(width)-12, 27, 12, gray, "end", "drawn by test/dashboard from the dashboard's queries, not by Grafana · "+from.UTC().Format("2006-01-02 15:04")+" to "+to.UTC().Format("15:04")+" UTC")
	for _, p := range d.Panels {
		if err := c.panel(ctx, p, a, from.UTC(), to.UTC()); err != nil {
			return nil, fmt.Errorf("panel %q: %w", p.Title, err)
		}
	}
	c.printf("</svg>")
	return c.Bytes(), nil
}

func (c *canvas) panel(ctx context.Context, p panel, a asker, from, to time.Time) error {
	g := p.GridPos
	b := box{float64(g.X*cellWidth + gap), float64(header + g.Y*cellHeight), float64(g.W*cellWidth - gap), float64(g.H*cellHeight - gap)}
	if p.Type == "row" {
		c.text(b.x+8, b.y+20, 15, white, "start", "⌄ "+p.Title)
		return nil
	}
	c.rect(b, surface, 3)
	c.text(b.x+10, b.y+18, 13, white, "start", p.Title)
	curves, err := p.ask(ctx, a, from, to)
	if err != nil {
		return err
	}
	b = box{b.x, b.y + titleHeight, b.w, b.h - titleHeight}
	l := p.FieldConfig.Defaults
	switch p.Type {
	case "timeseries":
		c.timeseries(b, l, curves, from, to)
	case "stat":
		c.stats(b, l, current(curves, to))
	case "bargauge":
		c.gauges(b, l, current(curves, to))
	case "table":
		c.table(b, p, current(curves, to))
	default:
		return fmt.Errorf("a %s cannot be drawn", p.Type)
	}
	return nil
}

// ask returns the curves of a panel, with names and colours.
func (p panel) ask(ctx context.Context, a asker, from, to time.Time) (all []curve, err error) {
	for _, t := range p.Targets {
		answer, err := a.ask(ctx, t.query(), from, to)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(answer, func(a, b series) int { return strings.Compare(t.legend(a.labels), t.legend(b.labels)) })
		for _, s := range answer {
			all = append(all, curve{t.legend(s.labels), curveColors[len(all)%len(curveColors)], s})
		}
	}
	return all, nil
}

// current returns those that have not ended.
func current(curves []curve, to time.Time) []curve {
	return slices.DeleteFunc(curves, func(c curve) bool { return to.Sub(c.points[len(c.points)-1].at) > 2*interval })
}

// stats draws each value in large letters, beside each other.
func (c *canvas) stats(b box, l look, curves []curve) {
	width := b.w / float64(max(len(curves), 1))
	for i, is := range curves {
		text, color := l.shown(is.last())
		x := b.x + (float64(i)+.5)*width
		c.text(x, b.y+b.h/2-16, 12, gray, "middle", is.name)
		c.text(x, b.y+b.h/2+18, 28, palette(color), "middle", text)
	}
}

// gauges draws a bar for each value.
func (c *canvas) gauges(b box, l look, curves []curve) {
	const left, right = 80, 66
	height := min(b.h/float64(max(len(curves), 1)), 40)
	for i, is := range curves {
		text, color := l.shown(is.last())
		y := b.y + float64(i)*height
		low, high := 0.0, 1.0
		if l.Min != nil && l.Max != nil {
			low, high = *l.Min, *l.Max
		}
		part := min(max((is.last()-low)/(high-low), 0), 1)
		bar := box{b.x + left, y + 5, b.w - left - right, height - 10}
		c.text(bar.x-8, y+height/2+4, 12, white, "end", is.name)
		c.rect(bar, grid, 2)
		bar.w *= part
		c.rect(bar, palette(color), 2)
		c.text(b.x+b.w-10, y+height/2+4, 12, palette(color), "end", text)
	}
}

// table draws a line for each value, the largest first.
func (c *canvas) table(b box, p panel, curves []curve) {
	slices.SortStableFunc(curves, func(a, b curve) int { return int(b.last()) - int(a.last()) })
	const line = 15
	for i, is := range curves {
		columns := p.columns(is.labels)
		width := b.w / float64(len(columns))
		y := b.y + float64(i+1)*line + 10
		for j, name := range columns {
			x := b.x + float64(j)*width + 12
			if i == 0 {
				c.text(x, b.y+10, 12, palette("blue"), "start", p.heading(name))
			}
			value := is.labels[name]
			if name == "Value" {
				value = format(p.FieldConfig.Defaults.Unit, is.last())
			}
			c.text(x, y, 11, white, "start", value)
		}
		if y+line > b.y+b.h && i+1 < len(curves) {
			c.text(b.x+b.w-12, b.y+10, 11, gray, "end", fmt.Sprintf("%d more", len(curves)-i-1))
			break
		}
	}
}
