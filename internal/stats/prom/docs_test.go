package prom

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of metrics in docs/observe.md anew")

const (
	observe    = "../../../docs/observe.md"
	tableBegin = "<!-- metrics: begin (go test ./internal/stats/prom -update) -->\n"
	tableEnd   = "<!-- metrics: end -->\n"
)

var labelName = regexp.MustCompile(`([a-z_]+)="`)

// table makes a table of all metrics of a page.
func table(page string) string {
	var out strings.Builder
	out.WriteString("| metric | type | labels | what it is |\n|---|---|---|---|\n")
	for family := range strings.SplitSeq(strings.TrimPrefix(page, "# HELP "), "\n# HELP ") {
		lines := strings.Split(strings.TrimSuffix(family, "\n"), "\n")
		name, help, _ := strings.Cut(lines[0], " ")
		kind := lines[1][strings.LastIndexByte(lines[1], ' ')+1:]
		labels := map[string]bool{}
		for _, sample := range lines[2:] {
			for _, l := range labelName.FindAllStringSubmatch(sample, -1) {
				labels[l[1]] = true
			}
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", name, kind, strings.Join(slices.Sorted(maps.Keys(labels)), ", "), help)
	}
	return out.String()
}

// The documentation has all metrics, and no others.
func TestDocumentation(t *testing.T) {
	want := table(pageOf(t, exporter(t, reading(name(t, "a:b:www")))))
	text, err := os.ReadFile(observe)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	got, behind, okToo := strings.Cut(rest, tableEnd)
	if !ok || !okToo {
		t.Fatalf("%s has no place for the table", observe)
	}
	switch {
	case got == want:
	case *update:
		if err := os.WriteFile(observe, []byte(before+tableBegin+want+tableEnd+behind), 0o644); err != nil {
			t.Error(err)
		}
	default:
		t.Errorf("the table in %s is another one (go test ./internal/stats/prom -update):\n%s", observe, want)
	}
}
