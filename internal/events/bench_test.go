package events

import (
	"strings"
	"testing"

	"albatross/internal/api"
	"albatross/internal/vm"
)

func filled(b *testing.B) *Log {
	l := open(b, b.TempDir(), Options{})
	for len(l.spans) < segments || l.spans[0].first == 1 {
		add(l, name(b, "shop.www"), strings.Repeat("x", 100))
	}
	return l
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, b.TempDir(), Options{})
	e := api.Event{Kind: api.EventEnded, Name: name(b, "shop.www"), Exit: &vm.Exit{Code: 3}, Text: "normal end", PID: 4711}
	for b.Loop() {
		l.Append(e)
	}
}

// BenchmarkReadAll reads a log that is as large as it gets.
func BenchmarkReadAll(b *testing.B) {
	l := filled(b)
	n := 0
	for b.Loop() {
		n = 0
		must(b, l.Read(b.Context(), Wanted{}, func(api.Event) error { n++; return nil }))
	}
	b.ReportMetric(float64(n), "events")
}

func BenchmarkReadLast(b *testing.B) {
	l := filled(b)
	for b.Loop() {
		must(b, l.Read(b.Context(), Wanted{Count: 20}, func(api.Event) error { return nil }))
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := filled(b).dir
	for b.Loop() {
		l, err := Open(dir, Options{})
		must(b, err)
		must(b, l.Close())
	}
}
