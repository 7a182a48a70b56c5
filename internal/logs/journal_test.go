package logs

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"albatross/internal/request"

	"github.com/google/go-cmp/cmp"
)

func TestEntries(t *testing.T) {
	f := newFake(t)
	log, stderr := f.logger(slog.LevelInfo)
	ctx := request.With(t.Context(), "0123456789ab")
	log.Debug("not wanted")
	log.With("unikernel", "shop.www").WarnContext(ctx, "cannot start",
		"error", errors.New("line one\nline two"), "pause", 1500*time.Millisecond, "pid", 4711)
	want := fields{
		{"MESSAGE", `cannot start unikernel=shop.www error="line one\nline two" pause=1.5s pid=4711 request=0123456789ab`},
		{"PRIORITY", "4"},
		{"SYSLOG_IDENTIFIER", "testd"},
		{"MSG", "cannot start"},
		{"UNIKERNEL", "shop.www"},
		{"ERROR", "line one\nline two"},
		{"PAUSE", "1.5s"},
		{"PID", "4711"},
		{"REQUEST", "0123456789ab"},
	}
	if d := cmp.Diff(want, f.next()); d != "" {
		t.Error(d)
	}
	if stderr.Len() > 0 {
		t.Errorf("on standard error came %s", stderr)
	}
}

func TestPriorities(t *testing.T) {
	f := newFake(t)
	log, _ := f.logger(slog.LevelDebug)
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "7", slog.LevelInfo: "6", slog.LevelWarn: "4", slog.LevelError: "3", slog.LevelError + 4: "3",
	} {
		log.Log(t.Context(), level, "x")
		if got := f.next(); got.get("PRIORITY") != want || got.get("MESSAGE") != "x" {
			t.Errorf("%v: %v", level, got)
		}
	}
}

type textual struct{ err error }

func (v textual) MarshalText() ([]byte, error) { return []byte("text"), v.err }

type wild struct{}

func (wild) MarshalText() ([]byte, error) { panic("no") }

type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.GroupValue(slog.Int("a", 1), slog.Any("b", textual{})) }

// TestAttributes has attributes of all kinds in groups.
func TestAttributes(t *testing.T) {
	f := newFake(t)
	log, _ := f.logger(slog.LevelInfo)
	log = log.WithGroup("").With("daemon-id", 7).WithGroup("net").With("up", true).WithGroup("if")
	log.Info("x", "", "no key", slog.Group("", "inline", "1"), slog.Group("none"), slog.Group("g", "µ", "2"),
		"when", time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), "lazy", lazy{}, "bytes", []byte("b\n"),
		"broken", textual{errors.New("no")}, "wild", wild{}, "list", []int{1, 2}, "nothing", nil)
	want := fields{
		{"DAEMON_ID", "7"},
		{"NET_UP", "true"},
		{"NET_IF_INLINE", "1"},
		{"NET_IF_G__", "2"},
		{"NET_IF_WHEN", "2026-01-02T03:04:05.0000006Z"},
		{"NET_IF_LAZY_A", "1"},
		{"NET_IF_LAZY_B", "text"},
		{"NET_IF_BYTES", "b\n"},
		{"NET_IF_BROKEN", "!ERROR:no"},
		{"NET_IF_WILD", "!PANIC: no"},
		{"NET_IF_LIST", "[1 2]"},
		{"NET_IF_NOTHING", "<nil>"},
	}
	got := f.next()
	if m := got.get("MESSAGE"); !strings.Contains(m, "x daemon-id=7 net.up=true ") || !strings.Contains(m, " net.if.lazy.b=text ") {
		t.Errorf("the message is %q", m)
	}
	if d := cmp.Diff(want, got[4:]); d != "" {
		t.Error(d)
	}
}

// TestSiblings: loggers that were made of one do not see each other's attributes.
func TestSiblings(t *testing.T) {
	f := newFake(t)
	log, _ := f.logger(slog.LevelInfo)
	log = log.With("a", "1")
	one, two := log.With("b", "one"), log.With("c", "two")
	one.Info("x")
	two.Info("y")
	if got := f.next(); got.get("B") != "one" || got.get("C") != "" {
		t.Errorf("the one logs %v", got)
	}
	if got := f.next(); got.get("C") != "two" || got.get("B") != "" {
		t.Errorf("the other logs %v", got)
	}
}

// TestLargeValuesAreCut, with a mark, and the rest of the entry is whole.
func TestLargeValuesAreCut(t *testing.T) {
	f := newFake(t)
	log, stderr := f.logger(slog.LevelInfo)
	attrs := []any{"large", strings.Repeat("ä", 100<<10)}
	for i := range 100 {
		attrs = append(attrs, fmt.Sprintf("more%d", i), strings.Repeat("x\n", 4<<10))
	}
	log.With(attrs[2:60]...).Info("much", attrs...)
	got := f.next()
	if v := got.get("LARGE"); v != "" && (len(v) > maxValue+100 || !strings.HasSuffix(v, "ä… (188416 bytes more)")) {
		t.Errorf("the value has %d bytes and ends in %q", len(v), v[len(v)-40:])
	}
	if m := got.get("MESSAGE"); !strings.HasPrefix(m, "much more0=") || !strings.HasSuffix(m, " bytes more)") {
		t.Errorf("the message has %d bytes", len(m))
	}
	if stderr.Len() > 0 {
		t.Errorf("%d bytes came on standard error", stderr.Len())
	}
	log.Info("x", "large", strings.Repeat("ä", 100<<10))
	if v := f.next().get("LARGE"); !strings.HasSuffix(v, "ä… (188416 bytes more)") {
		t.Errorf("the value ends in %q", v[max(0, len(v)-40):])
	}
}

// TestWithoutJournal writes to standard error, until there is a journal.
func TestWithoutJournal(t *testing.T) {
	f := newFake(t)
	log, stderr := f.logger(slog.LevelInfo)
	log = log.With("unikernel", "a.b")
	if err := f.conn.Close(); err != nil {
		t.Fatal(err)
	}
	log.Info("nobody listens", "n", 1)
	if got := stderr.String(); !strings.HasSuffix(got, ` level=INFO msg="nobody listens" daemon=testd unikernel=a.b n=1`+"\n") {
		t.Errorf("on standard error came %q", got)
	}
	stderr.Reset()
	err := os.Remove(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if f.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: f.path}); err != nil {
		t.Fatal(err)
	}
	defer f.conn.Close()
	log.Info("somebody does")
	if got := f.next().get("MESSAGE"); got != "somebody does unikernel=a.b" || stderr.Len() > 0 {
		t.Errorf("the entry is %q; on standard error came %q", got, stderr)
	}
}

// TestStuckJournal waits for nobody, and says how much is missing.
func TestStuckJournal(t *testing.T) {
	f := newFake(t)
	log, stderr := f.logger(slog.LevelInfo)
	const all = 5000 // more than the kernel queues (net.unix.max_dgram_qlen), and than a socket's buffer holds
	padding := strings.Repeat("x", 1000)
	for i := range all {
		log.Info("some", "n", i, "padding", padding)
	}
	took := 0
	for f.next().get("N") != "" { // until the one that was sent by the reader
		if took++; took == 1 {
			continue
		}
		// There is room again.
		log.Info("more")
		break
	}
	for {
		got := f.next()
		if got.get("N") != "" {
			took++
			continue
		}
		if m := got.get("MSG"); m != "log records are missing here: the journal was busy" || got.get("LOST") != fmt.Sprint(all-took) || got.get("PRIORITY") != "4" {
			t.Errorf("after %d of %d came %v", took, all, got)
		}
		break
	}
	if got := f.next().get("MSG"); got != "more" {
		t.Errorf("then came %q", got)
	}
	if stderr.Len() > 0 || took == all {
		t.Errorf("the journal took %d of %d; on standard error came %d bytes", took, all, stderr.Len())
	}
}
