package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestLinesComeBack(t *testing.T) {
	dir := t.TempDir()
	x := name(t, "a:b:x")
	a := open(t, dir, Options{Log: logger(t)})
	l := a.Log(x)
	if got := texts(t, l); got != nil {
		t.Errorf("a new log has lines %q", got)
	}
	put(l, epoch, "one", "", "th\x00\xffree")
	put(l, epoch.Add(-time.Hour), "four") // the clock was set back
	want := []numbered{{0, "one"}, {1, ""}, {2, "th\x00\xffree"}, {3, "four"}}
	if diff := cmp.Diff(want, all(reader(t, l))); diff != "" {
		t.Error(diff)
	}
	put(l, epoch, "five") // is written when the archive is closed
	must(t, a.Close())

	a = open(t, dir, Options{Log: logger(t)})
	defer a.Close()
	if got := a.Names(vm.MakePath("a")); !slices.Equal(got, []vm.Name{x}) {
		t.Errorf("names %v", got)
	}
	if got := a.Names(vm.MakePath("b")); got != nil || a.Find(name(t, ":x")) != nil {
		t.Errorf("names of another path are %v", got)
	}
	l = a.Log(x)
	put(l, epoch, "six")
	want = []numbered{{-5, "one"}, {-4, ""}, {-3, "th\x00\xffree"}, {-2, "four"}, {-1, "five"}, {0, "six"}}
	r := reader(t, l)
	if diff := cmp.Diff(want, all(r)); diff != "" {
		t.Error(diff)
	}
	lines := collect(r, -2, 0)
	if len(lines) != 2 || !lines[0].Time.Equal(epoch.Add(-time.Hour)) || !lines[1].Time.Equal(epoch) || string(lines[1].Text) != "five" {
		t.Errorf("lines from -2 to 0 are %v", lines)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	defer a.Close()
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(file, Options{}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("in a file: %v", err)
	}
}

// What else is in the directory is left alone.
func TestStrangersStay(t *testing.T) {
	dir := t.TempDir()
	strangers := []string{"README", "no-name/x", "a:x/notes", "a:x/00000000000000000000.log", "a:x/1.log", "A:X/00000000000000000001.log"}
	for _, s := range strangers {
		writeFile(t, filepath.Join(dir, s), []byte("mine"))
	}
	must(t, os.MkdirAll(filepath.Join(dir, "a:x", segmentName(7)), 0o700)) // a directory
	a := open(t, dir, Options{})
	if got := a.Names(vm.Path{}); got != nil {
		t.Errorf("names %v", got)
	}
	l := a.Log(name(t, "a:x"))
	put(l, epoch, "hello")
	if got := texts(t, l); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("lines %q", got)
	}
	must(t, a.Close())
	for _, s := range strangers {
		if b, err := os.ReadFile(filepath.Join(dir, s)); err != nil || string(b) != "mine" {
			t.Errorf("%s: %q, %v", s, b, err)
		}
	}
}

// TestLongLog has more than fits: the newest lines are there, in files of bounded
// size, and reading begins where it should.
func TestLongLog(t *testing.T) {
	const each = 1 << 20
	a := opened(t, Options{Name: each})
	l := a.Log(name(t, ":x"))
	l.Active(true)
	const count = 40_000
	for i := range count {
		putAll(t, l, epoch.Add(time.Duration(i)*time.Second), fmt.Sprintf("line %8d %s", i, strings.Repeat("x", 40)))
		if i%1000 == 0 {
			must(t, l.settle(t.Context()))
		}
	}
	r := reader(t, l)
	size, _ := sizes(t, a.dir)
	if size > each || size < each*3/4 {
		t.Errorf("it takes %d bytes, of %d", size, each)
	}
	if n := len(segmentFiles(t, a.dir, ":x")); n < segments-1 || n > segments+1 {
		t.Errorf("there are %d segments", n)
	}
	got := all(r)
	first, _ := r.First()
	for i, n := range got {
		if want := fmt.Sprintf("line %8d ", first+int64(i)); n.Number != first+int64(i) || !strings.HasPrefix(n.Text, want) {
			t.Fatalf("line %d of the log is %v, want %q", i, n, want)
		}
	}
	if last := got[len(got)-1].Number; last != count-1 {
		t.Errorf("the last line is %d", last)
	}
	for _, n := range []int64{first - 1, first, first + 1, count/2 + count/4 + 77, count - 1, count} {
		at := epoch.Add(time.Duration(n) * time.Second)
		if since := r.Since(at); since != max(n, first) {
			t.Errorf("since the time of line %d is line %d", n, since)
		}
		if since := r.Since(at.Add(-time.Millisecond)); since != max(n, first) {
			t.Errorf("since just before line %d is line %d", n, since)
		}
		if since := r.Since(at.Add(time.Millisecond)); since != max(n+1, first) && n < count {
			t.Errorf("since just after line %d is line %d", n, since)
		}
		if some := collect(r, n, n+3); n < count && !strings.HasPrefix(string(some[0].Text), fmt.Sprintf("line %8d ", max(n, first))) {
			t.Errorf("the lines from %d on begin with %q", n, some[0].Text)
		}
	}
	must(t, a.recount())
}

// A line that is too long for the log is cut, not lost.
func TestLongestLine(t *testing.T) {
	a := opened(t, Options{})
	l := a.Log(name(t, ":x"))
	long := strings.Repeat("y", 3*MaxText)
	put(l, epoch, long, "next")
	if diff := cmp.Diff([]string{long[:MaxText], "next"}, texts(t, l)); diff != "" {
		t.Error(diff)
	}
}

// What comes at once, before the writer had a turn, is not lost where it is not much.
func TestBurst(t *testing.T) {
	a := opened(t, Options{})
	l := a.Log(name(t, ":x"))
	const count = 10_000
	line := strings.Repeat("b", 90)
	for range 2 {
		put(l, epoch, slices.Repeat([]string{line}, count)...)
		reader(t, l)
	}
	got := all(reader(t, l))
	if len(got) != 2*count || got[len(got)-1].Number != 2*count-1 {
		t.Errorf("of %d lines, %d are there", 2*count, len(got))
	}
	if held := a.held.Load(); held != 0 {
		t.Errorf("%d bytes wait", held)
	}
}

// What comes faster than it may be written is lost, and the numbers tell.
func TestTooFast(t *testing.T) {
	a := opened(t, Options{})
	l := a.Log(name(t, ":x"))
	const count = 3 * burst / 1000
	line := bytes.Repeat([]byte("z"), 1000)
	l.Begin(epoch)
	for range 2000 { // at once: more than may wait
		l.Line(line)
	}
	l.End()
	for range count {
		l.Begin(epoch)
		l.Line(line)
		l.End()
	}
	r := reader(t, l)
	if l.Count() != count+2000 || len(all(r)) >= count {
		t.Errorf("of %d lines, %d are there", l.Count(), len(all(r)))
	}
	put(l, epoch, "the end")
	got := all(reader(t, l))
	if want := (numbered{count + 2000, "the end"}); got[len(got)-1] != want {
		t.Errorf("the last line is %v, want %v", got[len(got)-1], want)
	}
	if held := a.held.Load(); held != 0 {
		t.Errorf("%d bytes wait", held)
	}
}

// Lines reach the disk by themselves, the first one of a silent log at once.
func TestLinesAreWrittenSoon(t *testing.T) {
	a := opened(t, Options{})
	l := a.Log(name(t, ":x"))
	onDisk := func(want string) {
		t.Helper()
		testutil.Eventually(t, 20*time.Second, func() error {
			for _, f := range segmentFiles(t, a.dir, ":x") {
				if b, _ := os.ReadFile(f); bytes.Contains(b, []byte(want)) {
					return nil
				}
			}
			return fmt.Errorf("%q is not in the file", want)
		})
	}
	put(l, epoch, "the first")
	onDisk("the first")
	put(l, epoch, "the second") // which waits for a while
	onDisk("the second")
	l.Active(true)
	l.Active(false)
	l.Release()
	testutil.Eventually(t, 20*time.Second, a.recount)
	if a.Find(name(t, ":x")) == nil {
		t.Error("a log with lines is forgotten")
	}
	a.Log(name(t, ":y")).Release()
	testutil.Eventually(t, 20*time.Second, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.logs[name(t, ":y")] != nil {
			return errors.New("a log without lines is still known")
		}
		return nil
	})
}

func TestReaderOfAClosedArchive(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	l := a.Log(name(t, ":x"))
	must(t, a.Close())
	if _, err := l.Reader(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("Reader: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.settle(ctx); err == nil {
		t.Error("nobody writes, and yet all is written")
	}
}
