package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func name(t testing.TB, s string) *vm.Name {
	t.Helper()
	n, err := vm.ParseName(s)
	must(t, err)
	return &n
}

// open opens a log that is closed with the test.
func open(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

// small makes the segments of a log smaller than Options allow.
func small(l *Log, part int64) *Log {
	l.part = part
	return l
}

// quick makes a log that never waits for the disk.
func quick(l *Log) *Log {
	l.create = func(path string) (file, error) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return unsynced{f}, err
	}
	if f, ok := l.file.(*os.File); ok {
		l.file = unsynced{f}
	}
	return l
}

type unsynced struct{ *os.File }

func (unsynced) Sync() error { return nil }

// add appends records with these texts.
func add(t testing.TB, l *Log, texts ...string) {
	t.Helper()
	for _, s := range texts {
		must(t, l.Append(api.AuditRecord{Command: "create", Outcome: api.AuditDone, Text: s}))
	}
}

// all returns what is wanted, each record as "sequence outcome text".
func all(t testing.TB, l *Log, w Wanted) []string {
	t.Helper()
	var got []string
	must(t, l.Read(context.Background(), w, func(r api.AuditRecord, _ []byte) error {
		got = append(got, fmt.Sprintf("%d %s %s", r.Sequence, r.Outcome, r.Text))
		return nil
	}))
	return got
}

// wants says what is in a log.
func wants(t testing.TB, l *Log, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, all(t, l, Wanted{})); diff != "" {
		t.Error(diff)
	}
}

// verify returns what Verify says of a directory.
func verify(t testing.TB, dir string, a *api.AuditAnchor) api.AuditReport {
	t.Helper()
	r, err := Verify(context.Background(), dir, a)
	must(t, err)
	return r
}

// whole wants a log without a fault.
func whole(t testing.TB, dir string, a *api.AuditAnchor) api.AuditReport {
	t.Helper()
	r := verify(t, dir, a)
	for _, f := range r.Faults {
		t.Errorf("%s", told(f))
	}
	return r
}

func told(f api.AuditFault) string {
	return fmt.Sprintf("%s %d %s:%d: %s", f.Kind, f.Sequence, strings.TrimLeft(strings.TrimSuffix(f.File, segmentSuffix), "0"), f.Line, f.Text)
}

// segments returns the files of a log, the oldest first.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	must(t, err)
	return paths
}

// content returns the lines of a log with their ends.
func content(t testing.TB, dir string) [][]byte {
	t.Helper()
	var lines [][]byte
	for _, p := range segments(t, dir) {
		b, err := os.ReadFile(p)
		must(t, err)
		for l := range bytes.Lines(b) {
			lines = append(lines, l)
		}
	}
	return lines
}

// rewrite replaces the lines of the oldest segment.
func rewrite(t testing.TB, dir string, lines [][]byte) {
	t.Helper()
	must(t, os.WriteFile(segments(t, dir)[0], bytes.Join(lines, nil), 0o600))
}

// rehashed returns a line with other content and a right hash.
func rehashed(t testing.TB, l []byte, change func(r *api.AuditRecord)) []byte {
	t.Helper()
	r, _, err := parseLine(bytes.TrimSuffix(l, []byte("\n")))
	must(t, err)
	change(&r)
	l, _, err = appendLine(nil, r)
	must(t, err)
	return l
}

// logged is what a log has told its logger.
type logged struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// count returns how often something was logged.
func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// epoch is the time of records that need one.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
