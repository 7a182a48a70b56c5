package words

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                            "0s",
		0:                                       "0s",
		59*time.Second + 999*time.Millisecond:   "59s",
		time.Minute:                             "1m",
		3*time.Minute + 20*time.Second:          "3m20s",
		2*time.Hour + 59*time.Second:            "2h",
		2*time.Hour + 5*time.Minute:             "2h5m",
		24 * time.Hour:                          "1d",
		99*24*time.Hour + 3*time.Hour + 1234567: "99d3h",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext ~": "plain\ttext ~",
		"grüße 日本 🐪":    "grüße 日本 🐪",
		"\x1b[2J":       `\x1b[2J`,
		"a\r\nb\x00":    `a\x0d\x0ab\x00`,
		"\xff\xc3":      `\xff\xc3`,
		"\u009b2J":      `\u009b2J`, // the one-character form of ESC [
		"\u202eabc":     `\u202eabc`,
		"\U000e0041":    `\U000e0041`,
		"\ufffd":        "\ufffd",
	} {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "line")
		got := Visible(in)
		if !utf8.ValidString(got) {
			t.Fatalf("Visible(%q) = %q is no UTF-8", in, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("Visible(%q) = %q has something invisible at %d", in, got, i)
		}
		if again := Visible(got); again != got {
			t.Fatalf("Visible(%q) = %q, which is not visible but %q", in, got, again)
		}
	})
}
