package events

import (
	"os"
	"testing"

	"albatross/internal/api"
)

// TestNumberThatCannotBe does not become the one after which the log goes on.
func TestNumberThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Append(api.Event{Kind: "first"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(l.path(1), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"sequence":4611686018427387904,"at":"2026-01-01T00:00:00Z","kind":"x","name":"a"}` + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for opened := range 3 {
		if l, err = Open(dir, Options{}); err != nil {
			t.Fatal(err)
		}
		l.Append(api.Event{Kind: "later"})
		seen := 0
		if err := l.Read(t.Context(), Wanted{}, func(e api.Event) error {
			if e.Kind == "later" {
				seen++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if seen != opened+1 {
			t.Errorf("%d of %d later events can be read", seen, opened+1)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
