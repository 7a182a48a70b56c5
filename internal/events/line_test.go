package events

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"albatross/internal/api"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var compareNames = cmp.Comparer(func(a, b vm.Name) bool { return a == b })

// events draws any event that can be appended.
func events() *rapid.Generator[api.Event] {
	label := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,8}`)
	return rapid.Custom(func(t *rapid.T) api.Event {
		var p vm.Path
		for _, l := range rapid.SliceOfN(label, 0, 3).Draw(t, "path") {
			p = p.Append(vm.Label(l))
		}
		e := api.Event{
			Sequence: rapid.Int64Range(1, maxSequence).Draw(t, "sequence"),
			At:       time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).UTC(),
			Kind:     rapid.SampledFrom([]string{api.EventCreated, api.EventEnded, api.EventPolicySet}).Draw(t, "kind"),
			Name:     vm.MakeName(p, vm.Label(label.Draw(t, "label"))),
			Text:     rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 6000), func(b []byte) string { return string(b) })).Draw(t, "text"),
			PID:      rapid.IntRange(0, 1<<22).Draw(t, "pid"),
			Request:  rapid.String().Draw(t, "request"),
		}
		if rapid.Bool().Draw(t, "ended") {
			e.Exit = &vm.Exit{Code: rapid.IntRange(0, 255).Draw(t, "code"), Signal: rapid.IntRange(0, 64).Draw(t, "signal")}
		}
		return e
	})
}

// TestLineRoundTrip: what was appended is what is read, but for what was too long
// or no text; and it is one line of bounded length.
func TestLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := events().Draw(t, "event")
		line, err := appendLine([]byte("before"), e)
		if err != nil {
			t.Fatal(err)
		}
		line = line[len("before"):]
		if bytes.IndexByte(line, '\n') != len(line)-1 || len(line) > maxLine+1 {
			t.Fatalf("%d bytes: %q", len(line), line)
		}
		got, err := parseLine(line[:len(line)-1])
		if err != nil {
			t.Fatal(err)
		}
		want := e
		want.Text, want.Request = shorten(e.Text, maxText), shorten(e.Request, maxWord)
		if diff := cmp.Diff(want, got, compareNames); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"", ""},
		{"0123456789", "0123456789"},
		{"0123456789a", "0123456…"},
		{"012345éé789", "012345…"}, // not half of a letter
		{"a\xffb", "a�b"},
		{strings.Repeat("\xff", 99), "�"}, // one for all
		{strings.Repeat("a\xff", 9), "a�a…"},
	} {
		got := shorten(tt.s, 10)
		if got != tt.want || len(got) > 10 || !utf8.ValidString(got) {
			t.Errorf("shorten(%q) = %q, want %q", tt.s, got, tt.want)
		}
	}
}

func TestDamagedLines(t *testing.T) {
	const good = `{"sequence":7,"at":"2026-01-02T03:04:05Z","kind":"ended","name":":www","text":"x","later":[{}]}`
	if e, err := parseLine([]byte(good)); err != nil || e.Sequence != 7 || e.Text != "x" {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, bad := range []string{
		"", "{}", "null", "[]", good[:len(good)-1], good + "x", "\x00\x00\x00\x00", " ",
		strings.Replace(good, "7", "0", 1),
		strings.Replace(good, "7", "-7", 1),
		strings.Replace(good, "7", "9223372036854775807", 1),
		strings.Replace(good, "7", "1e99", 1),
		strings.Replace(good, "2026", "0001", 1) + "T",
		strings.Replace(good, "2026-01-02T03:04:05Z", "0000-01-01T00:00:00+23:00", 1),
		strings.Replace(good, `"at"`, `"as"`, 1),
		strings.Replace(good, "ended", "", 1),
		strings.Replace(good, "ended", strings.Repeat("e", maxWord+1), 1),
		strings.Replace(good, ":www", "../../etc", 1),
		strings.Replace(good, `"x"`, `"`+strings.Repeat("x", maxText+1)+`"`, 1),
		strings.Replace(good, `"x"`, `"`+strings.Repeat("x", maxLine)+`"`, 1),
		strings.Repeat("[", maxLine),
		`{"later":` + strings.Repeat("[", maxLine-100),
	} {
		if e, err := parseLine([]byte(bad)); !errors.Is(err, errDamaged) {
			t.Errorf("%.100q is read as %+v, %v", bad, e, err)
		}
	}
}

// FuzzParseLine: whatever is read can be written and read again.
func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"sequence":7,"at":"2026-01-02T03:04:05.678Z","kind":"ended","name":"shop:www","text":"","exit":{"Code":3,"Signal":0},"pid":12,"request":"r"}`))
	f.Add([]byte(`{"sequence":1,"at":"0000-01-01T00:00:00+23:59","kind":"a","name":":"}`))
	f.Add([]byte(`{"SEQUENCE":4611686018427387904,"at":"9999-12-31T23:59:59-23:59","kind":"<","text":"\ud800","name":"x"}`))
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseLine(line)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatal(err)
			}
			return
		}
		b, err := appendLine(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseLine(b[:len(b)-1])
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if diff := cmp.Diff(e, again, compareNames); diff != "" {
			t.Fatal(diff)
		}
	})
}
