package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// dashboard is one of Grafana's, as far as it is drawn.
type dashboard struct {
	Title  string
	Panels []panel
}

type panel struct {
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults look }
	Targets                  []target
	Transformations          []struct{ Options organize }
}

// look is how values are shown.
type look struct {
	Unit     string
	Min, Max *float64
	Mappings []struct {
		Options map[string]struct{ Text, Color string }
	}
	Thresholds struct{ Steps []step }
	Custom     struct {
		ThresholdsStyle struct{ Mode string }
	}
}

// step is a threshold, and the colour from it on; the first has no value.
type step struct {
	Color string
	Value *float64
}

type target struct{ Expr, LegendFormat string }

// organize says what columns a table has.
type organize struct {
	ExcludeByName map[string]bool
	IndexByName   map[string]int
	RenameByName  map[string]string
}

func readDashboard(path string) (*dashboard, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := new(dashboard)
	if err := json.Unmarshal(b, d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// variables are as if nothing had been chosen.
var variables = strings.NewReplacer("$__rate_interval", rateInterval.String(), "$instance", ".*", "$path", ".*", "$name", ".*")

func (t target) query() string { return variables.Replace(t.Expr) }

var inLegend = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// legend is what a curve is called.
func (t target) legend(labels map[string]string) string {
	return inLegend.ReplaceAllStringFunc(t.LegendFormat, func(s string) string {
		return labels[inLegend.FindStringSubmatch(s)[1]]
	})
}

// shown returns text and colour of a value.
func (l look) shown(v float64) (text, color string) {
	for _, m := range l.Mappings {
		if is, ok := m.Options[short(v)]; ok {
			return is.Text, is.Color
		}
	}
	color = "green"
	for _, s := range l.Thresholds.Steps {
		if s.Value == nil || v >= *s.Value {
			color = s.Color
		}
	}
	return format(l.Unit, v), color
}

// columns returns the labels that a table shows, in their order. Value is the value.
func (p panel) columns(labels map[string]string) (all []string) {
	var o organize
	if len(p.Transformations) > 0 {
		o = p.Transformations[0].Options
	}
	for name := range labels {
		if !o.ExcludeByName[name] && name != "__name__" {
			all = append(all, name)
		}
	}
	all = append(all, "Value")
	slices.SortFunc(all, func(a, b string) int { return o.IndexByName[a] - o.IndexByName[b] })
	return all
}

// heading is what a table calls a column.
func (p panel) heading(column string) string {
	for _, t := range p.Transformations {
		if name := t.Options.RenameByName[column]; name != "" {
			return name
		}
	}
	return column
}
