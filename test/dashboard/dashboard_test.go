package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var from, to = time.Unix(1e9, 0), time.Unix(1e9+300, 0)

// prometheus plays one that has two curves for every question, one of which has a
// hostile name, a gap and something that is no number.
func prometheus(t *testing.T) (asker, *[]string) {
	t.Helper()
	asked := new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.FormValue("query"))
		type result struct {
			Metric map[string]string `json:"metric"`
			Values [][2]any          `json:"values"`
		}
		all := []result{{Metric: map[string]string{"name": "www", "path": "shop"}}, {Metric: map[string]string{"name": "<a&\x01b>", "path": "shop", "job": "albatross"}}}
		for at := from.Unix(); at <= to.Unix(); at += 5 {
			all[0].Values = append(all[0].Values, [2]any{at, fmt.Sprint(at % 100)})
			if at%60 > 20 {
				all[1].Values = append(all[1].Values, [2]any{at, "1"})
			}
		}
		all[1].Values = append([][2]any{{from.Unix(), "NaN"}}, all[1].Values...)
		if err := json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"result": all}}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return asker(server.URL), asked
}

// The whole dashboard is drawn: every panel has its title, its curves and nothing
// that a browser would take for something else.
func TestDraw(t *testing.T) {
	d, err := readDashboard("../../deploy/prometheus/albatross-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	a, asked := prometheus(t)
	svg, err := draw(t.Context(), d, a, from, to)
	if err != nil {
		t.Fatal(err)
	}
	for in := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := in.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	targets := 0
	for _, p := range d.Panels {
		if !bytes.Contains(svg, []byte(">"+p.Title+"<")) && p.Type != "row" {
			t.Errorf("there is no panel %s", p.Title)
		}
		targets += len(p.Targets)
	}
	if targets != len(*asked) {
		t.Errorf("of %d questions %d were asked", targets, len(*asked))
	}
	for _, q := range *asked {
		if strings.Contains(q, "$") {
			t.Errorf("a variable is left in %s", q)
		}
	}
	for _, want := range []string{"not by Grafana", "shop &lt;a&amp;\uFFFDb&gt;", ">restarts<"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("there is no %s", want)
		}
	}
	if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("No data")) {
		t.Error("something is no number")
	}
}

func TestUnits(t *testing.T) {
	for _, test := range []struct {
		unit string
		v    float64
		want string
	}{
		{"percentunit", .333, "33.3 %"},
		{"bytes", 3 << 20, "3 MiB"},
		{"Bps", 1234567, "1.23 MB/s"},
		{"s", .0045, "4.5 ms"},
		{"s", 0, "0 s"},
		{"ops", 12, "12/s"},
		{"short", 1500, "1.5k"},
		{"short", 0, "0"},
	} {
		if got := format(test.unit, test.v); got != test.want {
			t.Errorf("%v in %s is %q, want %q", test.v, test.unit, got, test.want)
		}
	}
}

// Axes reach around all values with a few marks.
func TestTicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(0, 1e12).Draw(t, "low")
		high := low + rapid.Float64Range(0, 1e12).Draw(t, "more")
		unit := rapid.SampledFrom([]string{"bytes", "short"}).Draw(t, "unit")
		all := ticks(unit, low, high)
		if len(all) < 2 || len(all) > 12 || all[0] > low || all[len(all)-1] < high {
			t.Errorf("from %v to %v: %v", low, high, all)
		}
	})
}
