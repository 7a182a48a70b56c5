package cli

import (
	"os/exec"
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
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KB", 1536: "1.5 KB", 32 << 20: "32 MB", 5 << 30: "5 GB", 1 << 50: "1024 TB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestQuoted has the shell read words back.
func TestQuoted(t *testing.T) {
	for _, word := range []string{"", "/tmp/d/run", "with blank", "it's", "$HOME`id`", "a\nb", "-n", "*", "~", "ü", `\`} {
		out, err := exec.Command("sh", "-c", "printf %s "+quoted(word)).Output()
		if word == "-n" { // an option of printf, not of the shell
			continue
		}
		if err != nil || string(out) != word {
			t.Errorf("the shell reads %s as %q, %v; want %q", quoted(word), out, err, word)
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
		if got := visible(in); got != want {
			t.Errorf("visible(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "line")
		got := visible(in)
		if !utf8.ValidString(got) {
			t.Fatalf("visible(%q) = %q is no UTF-8", in, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("visible(%q) = %q has something invisible at %d", in, got, i)
		}
		if again := visible(got); again != got {
			t.Fatalf("visible(%q) = %q, which is not visible but %q", in, got, again)
		}
	})
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.UTC)
	a := &app{now: func() time.Time { return now }}
	for in, want := range map[string]time.Time{
		"10m":                            time.Date(2026, 5, 1, 11, 50, 0, 123e6, time.UTC),
		"0s":                             time.Date(2026, 5, 1, 12, 0, 0, 123e6, time.UTC),
		"2026-01-02T03:04:05Z":           time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"2026-01-02T03:04:05.6789+01:00": time.Date(2026, 1, 2, 2, 4, 5, 678e6, time.UTC),
		"2d":                             time.Date(2026, 4, 29, 12, 0, 0, 123e6, time.UTC),
		"1d2h30m":                        time.Date(2026, 4, 30, 9, 30, 0, 123e6, time.UTC),
		"today":                          time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		"yesterday":                      time.Date(2026, 4, 30, 0, 0, 0, 0, time.UTC),
		"11:59":                          time.Date(2026, 5, 1, 11, 59, 0, 0, time.UTC),
		"12:00:01":                       time.Date(2026, 4, 30, 12, 0, 1, 0, time.UTC),
		"2026-01-02":                     time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		"2026-01-02 03:04":               time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC),
		"2026-01-02T03:04:05":            time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		if got, err := a.moment(in); err != nil || !got.Equal(want) {
			t.Errorf("moment(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-5m", "noon", "d", "-1d", "1d-5m", "99999999999d", "25:00", "2026-13-02"} {
		if got, err := a.moment(in); exitCode(err) != exitUsage {
			t.Errorf("moment(%q) = %v, %v; want a usage error", in, got, err)
		}
	}
}

// TestHelp has every command explain itself in lines of 80 characters.
func TestHelp(t *testing.T) {
	a := &app{env: variables{}}
	all := a.root().Commands()
	for i := 0; i < len(all); i++ {
		c := all[i]
		if all = append(all, c.Commands()...); c.Hidden {
			continue
		}
		if c.Short == "" || c.Long == "" && c.Name() != "version" {
			t.Errorf("%s has no help", c.Name())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Short + "\n") {
			if !strings.HasPrefix(line, guestPrefix) && utf8.RuneCountInString(line) > 81 {
				t.Errorf("%s: %q is too long", c.Name(), line)
			}
		}
	}
}
