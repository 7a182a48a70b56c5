package cli

import (
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

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
