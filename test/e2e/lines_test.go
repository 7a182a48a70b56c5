package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"albatross/internal/client"
	"albatross/internal/linux"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// TestNoLineIsLost kills albatross-console, alone and with albatrossd, keeps it
// away while a unikernel writes numbered lines, and wants each of them: from a
// subscriber up to the end of the old daemon, from the history of the new one what
// came later, behind what it has from disk.
func TestNoLineIsLost(t *testing.T) {
	for _, dying := range [][]string{{"albatross-console"}, {"albatross-console", "albatrossd"}} {
		t.Run(strings.Join(dying, " and "), func(t *testing.T) {
			w := newWorld(t)
			w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=5")
			pid := w.pid("tick")
			seen := subscribe(t, w, "tick")
			seen.await(t, 50)
			last := w.quiet(pid, seen)
			next := w.hold()
			for _, daemon := range dying {
				daemonPID := w.daemonPID(daemon)
				must(t, syscall.Kill(daemonPID, syscall.SIGKILL))
				w.gone(daemonPID)
			}
			must(t, syscall.Kill(pid, syscall.SIGCONT))
			w.awaitWrites(pid, 100)
			next()
			testutil.Eventually(t, patience, func() error {
				return follows(behind(w.run("console", "--count", "1000", "tick").stdout, last), last, 200)
			})
			if after := w.pid("tick"); after != pid {
				t.Errorf("the unikernel was process %d and is %d", pid, after)
			}
		})
	}
}

// TestLastLinesAreNotLost has a unikernel write and end while albatross-console is
// away: its last lines, which tell why it ended, are there afterwards.
func TestLastLinesAreNotLost(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=100", "--count=20")
	pid := w.pid("tick")
	seen := subscribe(t, w, "tick")
	seen.await(t, 2)
	last := w.quiet(pid, seen)
	next := w.hold()
	daemon := w.daemonPID("albatross-console")
	must(t, syscall.Kill(daemon, syscall.SIGKILL))
	w.gone(daemon)
	must(t, syscall.Kill(pid, syscall.SIGCONT))
	if code, signal := w.ended("tick"); code != 0 || signal != 0 {
		t.Errorf("ticker ended with code %d, signal %d", code, signal)
	}
	next()
	testutil.Eventually(t, patience, func() error {
		return follows(behind(w.run("console", "--count", "1000", "tick").stdout, last), last, 20-last)
	})
	w.checkNoFIFOs()
}

// checkNoFIFOs wants no console to be left where no unikernel is.
func (w *world) checkNoFIFOs() {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		entries, err := os.ReadDir(filepath.Join(w.dir, "run", "fifo"))
		if err != nil || len(entries) > 0 {
			return fmt.Errorf("left are %v, %w", entries, err)
		}
		return nil
	})
}

// behind returns what a text of lines "tick N" has behind the line of that number,
// or in front of which that line is missing.
func behind(text string, last int) string {
	for line := range strings.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(line, "tick %d", &n); err == nil && n > last {
			break
		}
		text = text[len(line):]
	}
	return text
}

// follows says whether text is lines "tick N" without a gap, from the one behind
// last on, and at least n of them.
func follows(text string, last, n int) error {
	lines := slices.Collect(strings.Lines(text))
	for i, line := range lines {
		if want := fmt.Sprintf("tick %d\n", last+1+i); line != want {
			return fmt.Errorf("line %d of the history is %q, want %q", i, line, want)
		}
	}
	if len(lines) < n {
		return fmt.Errorf("the history has %d lines", len(lines))
	}
	return nil
}

// seenLines are the lines that a subscriber has got.
type seenLines struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

// subscribe follows a console from its beginning until the daemon ends.
func subscribe(t *testing.T, w *world, name string) *seenLines {
	t.Helper()
	n, err := vm.ParseName(name)
	must(t, err)
	s := new(seenLines)
	var following sync.WaitGroup
	following.Go(func() {
		// How it ends, by the death of the daemon, matters not.
		_ = w.client().Console(t.Context(), client.Subscription{Name: n, Count: 1000, Follow: true}, func(l client.Line) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lines = append(s.lines, l.Text)
			return nil
		})
	})
	t.Cleanup(following.Wait)
	return s
}

func (s *seenLines) get() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

func (s *seenLines) await(t *testing.T, n int) {
	t.Helper()
	testutil.Eventually(t, patience, func() error {
		if got := len(s.get()); got < n {
			return fmt.Errorf("%d lines", got)
		}
		return nil
	})
}

// quiet stops the time of a ticker and waits until all it wrote has come to the
// console daemon and the subscriber. It returns the number of the last line.
func (w *world) quiet(pid int, seen *seenLines) (last int) {
	w.t.Helper()
	must(w.t, syscall.Kill(pid, syscall.SIGSTOP))
	const enough = 20 // equal answers in a row
	equal, before := 0, ""
	testutil.Eventually(w.t, patience, func() error {
		if state, err := linux.ProcState(pid); err != nil || state != 'T' {
			return fmt.Errorf("process %d is in state %c, %w", pid, state, err)
		}
		lines := seen.get()
		now := strings.TrimSpace(w.ok("console", "--count", "1", "tick"))
		if equal++; now != before || now != lines[len(lines)-1] {
			equal, before = 0, now
		}
		if equal < enough {
			return fmt.Errorf("the last line is %q", now)
		}
		return nil
	})
	lines := seen.get()
	if err := follows(strings.Join(lines, "\n")+"\n", 0, 1); err != nil {
		w.t.Fatalf("what the subscriber saw: %v", err)
	}
	return len(lines)
}

// awaitWrites waits until a process has made so many system calls that write.
func (w *world) awaitWrites(pid, n int) {
	w.t.Helper()
	first := writes(w.t, pid)
	testutil.Eventually(w.t, patience, func() error {
		if now := writes(w.t, pid); now < first+n {
			return fmt.Errorf("process %d has written %d lines", pid, now-first)
		}
		return nil
	})
}

// writes returns how many system calls that write a process has made.
func writes(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "syscw: "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			must(t, err)
			return n
		}
	}
	t.Fatalf("/proc/%d/io does not tell", pid)
	return 0
}
