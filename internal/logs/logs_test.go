package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/request"
)

func TestParse(t *testing.T) {
	for _, s := range []string{"auto", "text", "json", "journald"} {
		if f, err := ParseFormat(s); err != nil || string(f) != s {
			t.Errorf("%s: %q, %v", s, f, err)
		}
	}
	for s, want := range map[string]slog.Level{"debug": slog.LevelDebug, "Info": slog.LevelInfo, "WARN": slog.LevelWarn, "error": slog.LevelError} {
		if l, err := ParseLevel(s); err != nil || l != want {
			t.Errorf("%s: %v, %v", s, l, err)
		}
	}
	for _, s := range []string{"", "xml", "info+2"} {
		_, noFormat := ParseFormat(s)
		_, noLevel := ParseLevel(s)
		if noFormat == nil || noLevel == nil {
			t.Errorf("%q is a format (%v) or a level (%v)", s, noFormat, noLevel)
		}
	}
}

func TestTextAndJSON(t *testing.T) {
	var b bytes.Buffer
	ctx := request.With(t.Context(), "abc")
	log := slog.New(&named{handler("testd", Text, slog.LevelInfo, &b)})
	log.DebugContext(ctx, "no")
	log.InfoContext(ctx, "created", "unikernel", "shop.www", "took", time.Second)
	if got := b.String(); !strings.HasSuffix(got, " level=INFO msg=created daemon=testd unikernel=shop.www took=1s request=abc\n") {
		t.Errorf("text is %q", got)
	}
	b.Reset()
	log = slog.New(&named{handler("testd", JSON, slog.LevelWarn, &b)})
	log.Info("no")
	log.ErrorContext(ctx, "broken\n", "error", os.ErrNotExist, slog.Group("g", "took", time.Second),
		"at", &net.UnixAddr{Name: "/run/s", Net: "unix"}, "text", textual{})
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%q: %v", b.String(), err)
	}
	delete(got, "time")
	want := "map[at:/run/s daemon:testd error:file does not exist g:map[took:1s] level:ERROR msg:broken\n request:abc text:text]"
	if s := fmt.Sprint(got); s != want {
		t.Errorf("JSON is %s, want %s", s, want)
	}
}

// TestChoose takes the journal where standard error is the stream that the
// environment names, and only there.
func TestChoose(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]Format{
		fmt.Sprintf("%d:%d", stat.Dev, stat.Ino):    Journal,
		fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1):  Text,
		fmt.Sprintf("%d:%d ", stat.Dev, stat.Ino):   Text,
		fmt.Sprintf("%d:%d:1", stat.Dev, stat.Ino):  Text,
		fmt.Sprintf("0%d:%d:1", stat.Dev, stat.Ino): Text,
		"": Text,
	} {
		if got := choose(stream, f); got != want {
			t.Errorf("%q: %s, want %s", stream, got, want)
		}
	}
}

func TestPace(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(newPaced(handler("testd", Text, slog.LevelDebug, &b))).With("a", 1)
	const flood = paceBurst + 500
	for range flood {
		log.Info("often")
		log.Debug("often")
	}
	log.Warn("often")
	log.Info("seldom")
	out := b.String()
	if n := strings.Count(out, "level=INFO msg=often"); n < paceBurst || n > flood-1 {
		t.Errorf("%d of %d passed", n, flood)
	}
	for _, want := range []string{"level=DEBUG msg=often", "level=WARN msg=often", "level=INFO msg=seldom"} {
		if n, all := strings.Count(out, want), strings.Count(want, "DEBUG")*(flood-1)+1; n != all {
			t.Errorf("%s: %d of %d", want, n, all)
		}
	}
}

// TestTokens counts by a clock of its own.
func TestTokens(t *testing.T) {
	all := &tokens{all: map[sameness]*bucket{}}
	same, now := sameness{slog.LevelInfo, "x"}, time.Now()
	take := func(wantLeftOut int, want bool) {
		t.Helper()
		if leftOut, ok := all.take(same, now); leftOut != wantLeftOut || ok != want {
			t.Errorf("%d left out, %v; want %d, %v", leftOut, ok, wantLeftOut, want)
		}
	}
	for range paceBurst {
		take(0, true)
	}
	take(0, false)
	take(0, false)
	now = now.Add(pacePause)
	take(2, true)
	take(0, false)
	now = now.Add(-time.Hour) // the clock was set
	take(0, false)
	now = now.Add(3 * time.Hour)
	take(2, true)
	for range paceBurst - 1 {
		take(0, true)
	}
	take(0, false)
	for i := range 2 * maxPaced {
		all.take(sameness{slog.LevelInfo, fmt.Sprint(i)}, now)
	}
	if len(all.all) > maxPaced+1 {
		t.Errorf("%d messages are counted one by one", len(all.all))
	}
}

// FuzzEntry: whatever is logged, journald can read it, and nobody adds fields to it.
func FuzzEntry(f *testing.F) {
	f.Add("unikernel", "shop.www")
	f.Add("_PID", "a\nPRIORITY=0\n")
	f.Add("message", "\x00=\xff")
	f.Add("9=\n", strings.Repeat("x", maxValue+1))
	f.Fuzz(func(t *testing.T, key, value string) {
		b := appendAttr([]byte("PRIORITY=6\n"), "", slog.String(key, value))
		got, err := parse(b)
		if err != nil || len(got) > 2 || got[0] != [2]string{"PRIORITY", "6"} {
			t.Fatalf("%q: %v, %v", b, got, err)
		}
		if len(got) == 2 && (own[got[1][0]] || len(value) <= maxValue && got[1][1] != value) {
			t.Errorf("%q has become %q", value, got[1])
		}
	})
}
