package console

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/console/archive"
	"albatross/internal/testutil"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// fields returns the lines of a text.
func fields(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

// steadily prints lines so that all of them reach the log: a subscriber has each
// piece before the next comes.
func (r *rig) steadily(u *unikernel, n string, from, to int) {
	r.t.Helper()
	c := r.subscribe(n, 0, "subscribed")
	defer func() { _ = c.Close() }()
	const step = 500
	for i := from; i < to; i += step {
		text := numbered(i, min(i+step, to))
		u.print(text)
		c.expectLines(fields(text)...)
		r.history(n, `{"count":1000000}`) // writes what waits
	}
}

// What a unikernel wrote is there after the daemon was started anew, whether it
// still runs or not.
func TestLogsSurviveTheDaemon(t *testing.T) {
	r := startWithLogs(t)
	gone, stays := r.unikernel("a:gone"), r.unikernel("a:stays")
	r.add("a:gone", 5)
	r.add("a:stays", 5)
	gone.print("one\n\ntwo\nlast words")
	gone.exit()
	stays.print("before\n")
	r.expectInactive("a:", ":gone")
	r.subscribe("a:stays", 1, "subscribed").expectLines("before")
	r.stop()

	r.serve(DefaultLimits())
	r.add("a:stays", 5)
	r.expectInactive("a:", ":gone")
	r.expectInactive("b:")
	lines, end := r.history("a:gone", `{"count":20}`)
	if diff := cmp.Diff([]string{"one", "", "two", "last words"}, lines); diff != "" || !end.Known || end.Lost > 0 {
		t.Errorf("history %s, %+v", diff, end)
	}
	if lines, end := r.history("a:never", `{"count":20}`); lines != nil || end.Known {
		t.Errorf("history of nobody: %q, %+v", lines, end)
	}
	old := r.subscribe("a:gone", 3, "subscribed") // to whom the empty line does not count
	old.expectLines("two", "last words")
	follower := r.subscribe("a:stays", 20, "subscribed")
	follower.expectLines("before")
	stays.print("after\n")
	follower.expectLines("after")

	again := r.unikernel("a:gone")
	r.add("a:gone", 5)
	again.print("a new life\n")
	old.expectLines("a new life")
	lines, _ = r.history("a:gone", `{"since":"2020-01-02T03:04:05Z"}`)
	if diff := cmp.Diff([]string{"one", "", "two", "last words", "a new life"}, lines); diff != "" {
		t.Error(diff)
	}
}

// TestHistoryBeyondMemory reads more than a ring has: by number, by time, and by
// who follows, without a gap.
func TestHistoryBeyondMemory(t *testing.T) {
	const total = 12_000
	r := startWithLogs(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	r.steadily(u, ":x", 0, total/2)
	lines, _ := r.history(":x", `{"count":1}`)
	middle := time.Now()
	testutil.Eventually(t, patience, func() error { // the clock of lines counts milliseconds
		if time.Since(middle) < 2*time.Millisecond {
			return errors.New("not yet")
		}
		return nil
	})
	middle = time.Now()
	r.steadily(u, ":x", total/2, total)
	all := fields(numbered(0, total))
	if lines[0] != all[total/2-1] {
		t.Errorf("in the middle the last line is %q", lines)
	}
	for body, want := range map[string][]string{
		`{"count":1000000}`:                all,
		`{"count":9000}`:                   all[total-9000:],
		`{"count":3}`:                      all[total-3:],
		`{"since":"2020-01-02T03:04:05Z"}`: all,
		fmt.Sprintf(`{"since":%q}`, middle.Format(time.RFC3339Nano)): all[total/2:],
	} {
		if got, end := r.history(":x", body); !slices.Equal(got, want) || end.Lost > 0 {
			t.Errorf("%s: %d lines, want %d; %+v", body, len(got), len(want), end)
		}
	}
	c := r.subscribe(":x", total, "subscribed")
	c.expectLines(all...)
	u.print("live\n")
	c.expectLines("live")
}

// A ring that went to make room is still on disk.
func TestEvictedConsoleIsOnDisk(t *testing.T) {
	r := startWithLogs(t)
	u := r.unikernel("p:x")
	r.add("p:x", 1)
	u.print("hello\n")
	u.exit()
	r.expectInactive(":", "p:x")
	r.unikernel("p:y").print("there\n")
	r.add("p:y", 1)
	r.expectInactive(":", "p:x")
	r.subscribe("p:x", 20, "subscribed").expectLines("hello")
	back := r.unikernel("p:x")
	r.add("p:x", 2)
	back.print("again\n")
	r.subscribe("p:x", 20, "subscribed").expectLines("hello", "again")
}

// Our own clients get what Albatross's do not know.
func TestOwnAndOtherClients(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	ours := r.dial().greet()
	ours.expect(":x", wire.ConsoleSubscribe{}, wire.ReplyText{Text: "subscribed"})
	theirs := r.subscribe(":x", 0, "subscribed")
	long, longer := strings.Repeat("y", 700), strings.Repeat("z", 5000)
	u.print("one\n\n\n" + long + "\n" + longer + "\n\ntwo\n")
	ours.expectLines("one", "", "", long, longer[:4096]+" [truncated]", "", "two")
	theirs.expectLines("one", long[:512]+" [truncated]", longer[:512]+" [truncated]", "two")
	r.subscribe(":x", 3, "subscribed").expectLines(long[:512]+" [truncated]", longer[:512]+" [truncated]", "two")
	if lines, _ := r.history(":x", `{"count":3}`); !slices.Equal(lines, []string{longer[:4096] + " [truncated]", "", "two"}) {
		t.Errorf("our client gets %q", lines)
	}
}

func TestAlbatrossCut(t *testing.T) {
	x := strings.Repeat("x", 600)
	for in, want := range map[string]string{
		"": "", x[:512]: x[:512], x[:513]: x[:512] + " [truncated]", x: x[:512] + " [truncated]",
		x[:512] + " [truncated]": x[:512] + " [truncated]",
		x[:524]:                  x[:512] + " [truncated]",
	} {
		if got := albatrossCut(in); got != want {
			t.Errorf("of %d bytes, %d are left", len(in), len(got))
		}
	}
}

// TestFloodWithLogs has lines come faster than the disk may be written to: each
// line is there or counted, for who follows and who asks later.
func TestFloodWithLogs(t *testing.T) {
	const total = 10 << 20 / 41
	r := startWithLogs(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	var wg sync.WaitGroup
	for range 2 {
		c := r.subscribe(":x", 0, "subscribed")
		wg.Go(func() {
			got, lost, err := c.follow(total - 1)
			if err != nil || got+lost != total {
				t.Errorf("a subscriber got %d lines and lost %d of %d: %v", got, lost, total, err)
			}
			t.Logf("a subscriber got %d lines and lost %d", got, lost)
		})
	}
	const step = 1000
	for i := 0; i < total; i += step {
		u.print(numbered(i, min(i+step, total)))
	}
	wg.Wait()
	if m := r.feed(":x").memory(); m > DefaultLimits().RingBytes {
		t.Errorf("the console takes %d bytes", m)
	}
	lines, end := r.history(":x", `{"since":"2020-01-02T03:04:05Z"}`)
	next := -1
	for _, line := range lines {
		var n int
		if _, err := fmt.Sscanf(line, "[%d lines dropped]", &n); err == nil {
			next += n
			continue
		}
		if _, err := fmt.Sscanf(line, "%d a line", &n); err != nil || next >= 0 && n != next {
			t.Fatalf("line %q, want number %d", line, next)
		}
		next = n + 1
	}
	if next+end.Lost != total {
		t.Errorf("history ends with %d and %d lost, of %d", next, end.Lost, total)
	}
	t.Logf("history has %d lines", len(lines))
}

// TestThousandConsoles has a thousand unikernels write, and the daemon started anew:
// each console has what was written to it.
func TestThousandConsoles(t *testing.T) {
	const consoles, lines = 1000, 30
	r := startWithLogs(t)
	of := func(i int) string { return fmt.Sprintf("p%d:x%d", i%7, i) }
	all := make([]*unikernel, consoles)
	for i := range all {
		all[i] = r.unikernel(of(i))
		r.add(of(i), consoles)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for j := range lines {
				for i := w; i < consoles; i += 4 {
					all[i].print(fmt.Sprintf("%d of %d\n", j, i))
				}
			}
			for i := w; i < consoles; i += 4 {
				all[i].exit()
			}
		})
	}
	wg.Wait()
	testutil.Eventually(t, patience, func() error {
		if n := len(r.daemon.inactive(name(t, ":").Path())); n != consoles {
			return fmt.Errorf("%d consoles are inactive", n)
		}
		return nil
	})
	r.stop()
	r.serve(DefaultLimits())
	for i := range consoles {
		got, _ := r.history(of(i), `{"count":1000}`)
		if len(got) != lines || got[0] != fmt.Sprintf("0 of %d", i) || got[lines-1] != fmt.Sprintf("%d of %d", lines-1, i) {
			t.Fatalf("console %d: %q", i, got)
		}
	}
}

func TestKeepLogsRefuses(t *testing.T) {
	r := startWithLogs(t)
	other := New(r.daemon.log, r.tmp, DefaultLimits())
	if err := other.KeepLogs(r.logs, archive.Options{}); !errors.Is(err, archive.ErrInUse) {
		t.Errorf("a directory that is in use: %v", err)
	}
}

// The logs are of the daemon's own user only.
func TestModesOfLogs(t *testing.T) {
	r := startWithLogs(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	u.print("secret\n")
	r.subscribe(":x", 1, "subscribed").expectLines("secret")
	r.history(":x", `{"count":5000}`) // writes what waits
	found := 0
	err := filepath.WalkDir(r.logs, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		found++
		return err
	})
	if err != nil || found != 3 {
		t.Errorf("%d files and directories, %v", found, err)
	}
}
