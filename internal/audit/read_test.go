package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"albatross/internal/api"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	l := small(open(t, t.TempDir(), Options{}), 900)
	at := func(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }
	chain := func(names ...string) (links []api.AuditLink) {
		for _, n := range names {
			links = append(links, api.AuditLink{Subject: n})
		}
		return links
	}
	for i, r := range []api.AuditRecord{
		{Name: name(t, "shop.www"), Chain: chain("www", "shop")},
		{Name: name(t, "shop.data"), Chain: chain("data", "shop")},
		{Name: name(t, "shopping"), Chain: chain("shopping")},
		{Chain: chain("x\x1b")}, // refused before it had a name
		{Name: name(t, "."), Chain: chain(".", "shop")},
		{Name: name(t, "shop.www"), Chain: chain("www", "shop")},
	} {
		r.Time, r.Outcome, r.Text = at(i), api.AuditDone, fmt.Sprint(i)
		must(t, l.Append(r))
	}
	for _, tt := range []struct {
		what string
		w    Wanted
		want string
	}{
		{"all", Wanted{}, "012345"},
		{"the last", Wanted{Count: 1}, "5"},
		{"the last of two segments", Wanted{Count: 4}, "2345"},
		{"more than there are", Wanted{Count: 99}, "012345"},
		{"of a path", Wanted{Name: *name(t, "shop.")}, "015"},
		{"the last of a path", Wanted{Name: *name(t, "shop."), Count: 2}, "15"},
		{"of a name", Wanted{Name: *name(t, "shop.www")}, "05"},
		{"of nobody", Wanted{Name: *name(t, "nobody"), Count: 3}, ""},
		{"of a subject", Wanted{Subject: "shop"}, "0145"},
		{"the last of a subject", Wanted{Subject: "shop", Count: 3}, "145"},
		{"of a strange subject", Wanted{Subject: "x\x1b"}, "3"},
		{"of a name and a subject", Wanted{Name: *name(t, "shop."), Subject: "data"}, "1"},
		{"since", Wanted{Since: at(3)}, "345"},
		{"since, whatever the count", Wanted{Since: at(3), Count: 1}, "345"},
		{"since of a path", Wanted{Since: at(1), Name: *name(t, "shop.")}, "15"},
	} {
		got := ""
		must(t, l.Read(t.Context(), tt.w, func(r api.AuditRecord, _ []byte) error { got += r.Text; return nil }))
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
	enough := errors.New("enough")
	if err := l.Read(t.Context(), Wanted{}, func(api.AuditRecord, []byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of the function", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	for _, w := range []Wanted{{}, {Count: 1}} {
		if err := l.Read(ctx, w, func(api.AuditRecord, []byte) error { return nil }); !errors.Is(err, enough) {
			t.Errorf("got %v, want the cause of the context", err)
		}
	}
}

// TestLastOfMany looks for the last ones of a segment with many.
func TestLastOfMany(t *testing.T) {
	l := small(quick(open(t, t.TempDir(), Options{})), 10_000)
	for i := range 200 {
		add(t, l, fmt.Sprint(i+1))
	}
	for _, count := range []int{1, 2, 3, 30, 70} {
		got := all(t, l, Wanted{Count: count})
		if len(got) != count || got[0] != fmt.Sprintf("%d done %d", 201-count, 201-count) {
			t.Errorf("the last %d are %d, from %s", count, len(got), got[0])
		}
	}
}

// TestReadWhatIsGone: segments that were deleted meanwhile, or damaged.
func TestReadWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	l := small(quick(open(t, dir, Options{})), 400)
	add(t, l, fmt.Sprintf("%0200d", 1), fmt.Sprintf("%0200d", 2), "3")
	must(t, os.Remove(segments(t, dir)[0]))
	must(t, os.WriteFile(segments(t, dir)[0], []byte("\x1b[2J\nx"), 0o600))
	want := []string{
		"0 damaged a line at byte 0 of 00000000000000000002.jsonl is no record", "0 damaged a line at byte 5 of 00000000000000000002.jsonl is no record", "3 done 3",
	}
	for _, w := range []Wanted{{}, {Count: 10}, {Since: epoch}, {Count: 3}} {
		if diff := cmp.Diff(want, all(t, l, w)); diff != "" {
			t.Errorf("%+v: %s", w, diff)
		}
	}
	if got := all(t, l, Wanted{Name: *name(t, "www"), Subject: "x"}); len(got) != 2 {
		t.Errorf("of a name: %q", got)
	}
}
