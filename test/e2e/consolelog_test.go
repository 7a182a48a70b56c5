package e2e

import (
	"bufio"
	"bytes"
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
)

// TestConsoleLogSurvivesKill kills albatross-console while a unikernel writes
// numbered lines: all are there afterwards, but those that had not been written to
// disk, which came shortly before.
func TestConsoleLogSurvivesKill(t *testing.T) {
	const (
		shortly = time.Second     // as it is promised
		late    = 4 * time.Second // by which a machine may be late that does much else
	)
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=5")
	seen := subscribe(t, w, "tick")
	seen.await(t, 500)
	w.killAndAwait("albatross-console", syscall.SIGKILL)
	before := len(seen.get())
	if err := follows(strings.Join(seen.get(), "\n")+"\n", 0, 500); err != nil {
		t.Fatal(err)
	}
	numbers := w.ticks(before + 100)
	gaps := 0
	for i := 1; i < len(numbers); i++ {
		from, to := numbers[i-1]+1, numbers[i]
		if from == to {
			continue
		}
		gaps++
		lost := time.Duration(to-from) * 5 * time.Millisecond
		t.Logf("lines %d to %d are lost, of %v", from, to-1, lost)
		if lost > shortly+late || from > before+1000 || to < before-int((shortly+late)/(5*time.Millisecond)) {
			t.Errorf("the subscriber saw lines up to %d; lost are %d to %d", before, from, to-1)
		}
	}
	if numbers[0] != 1 || gaps > 1 {
		t.Errorf("the log begins with %d and has %d gaps", numbers[0], gaps)
	}
}

// ticks waits until the log of a ticker has the line of a number, and returns the
// numbers of all its lines.
func (w *world) ticks(last int) (numbers []int) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		numbers = nil
		for line := range strings.Lines(w.ok("console", "--since", "yesterday", "tick")) {
			var n int
			if _, err := fmt.Sscanf(line, "tick %d\n", &n); err != nil {
				return fmt.Errorf("line %q: %w", line, err)
			}
			numbers = append(numbers, n)
		}
		if !slices.IsSorted(numbers) || len(numbers) == 0 || numbers[len(numbers)-1] < last {
			return fmt.Errorf("%d lines, %v", len(numbers), numbers)
		}
		return nil
	})
	return numbers
}

// TestConsoleLogSurvivesTheHost ends all daemons and starts them again: what a
// unikernel wrote that is gone is there, and what one wrote that is started again.
func TestConsoleLogSurvivesTheHost(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "a.gone", imageFile(t, "spt", "hello"), "--", "some words")
	w.ended("a.gone")
	w.console("a.gone", "some words")
	w.ok("create", "a.tick", imageFile(t, "spt", "ticker"), "--", "--interval=20")
	w.console("a.tick", "tick 3")
	w.ok("down", "--dir", w.dir)
	w.ok("up", "--dir", w.dir, "--detach")
	if out := w.ok("console", "a.gone"); !strings.Contains(out, "Hello from spt") || !strings.Contains(out, "some words") {
		t.Errorf("of the one that is gone there is %q", out)
	}
	r := execute(t, w.command("albatross-client", "inactive-consoles", "--tmpdir", filepath.Join(w.dir, "run")))
	if r.code != 0 || !strings.Contains(r.stdout, "a:gone") {
		t.Errorf("inactive consoles: %+v", r)
	}
	testutil.Eventually(t, patience, func() error {
		out := w.ok("console", "--since", "1d", "--grep", "^tick 1$", "a.tick")
		if out != "tick 1\ntick 1\n" { // of both lives
			return fmt.Errorf("of the one that was started again there is %q", out)
		}
		return nil
	})
	all := w.ok("console", "--all", "a.", "--since", "yesterday", "--grep", "^tick 1$|some words")
	if want := []string{"a.gone", "a.tick", "a.tick"}; !slices.Equal(prefixes(all), want) {
		t.Errorf("all together are %q", all)
	}
}

// prefixes returns what stands before the first ": " of each line.
func prefixes(text string) (all []string) {
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, ": ")
		all = append(all, name)
	}
	return all
}

// TestFollowAll follows all unikernels of a path: one that runs, and one that is
// created later.
func TestFollowAll(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "a.tick", imageFile(t, "spt", "ticker"), "--", "--interval=20")
	w.console("a.tick", "tick 1")
	follow := w.command("albatross", "console", "--all", "-f", "a")
	out, err := follow.StdoutPipe()
	must(t, err)
	must(t, follow.Start())
	lines := bufio.NewScanner(out)
	awaitLine := func(prefix string) {
		t.Helper()
		for deadline := time.Now().Add(patience); time.Now().Before(deadline) && lines.Scan(); {
			if strings.HasPrefix(lines.Text(), prefix) {
				return
			}
		}
		t.Fatalf("no line begins with %q", prefix)
	}
	awaitLine("a.tick: tick ")
	w.ok("create", "other", imageFile(t, "spt", "hello"))
	w.ok("create", "a.b.hello", imageFile(t, "spt", "hello"))
	awaitLine("a.b.hello: Hello from spt")
	awaitLine("a.tick: tick ")
	must(t, follow.Process.Signal(syscall.SIGINT))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "other") {
			t.Errorf("line %q is of no unikernel below the path", lines.Text())
		}
	}
	_ = follow.Wait() // its exit code says that it was interrupted
}

// TestConsoleLogOnFullDisk has no space for what unikernels write: they go on, and
// how many lines are missing is told, until there is space again.
func TestConsoleLogOnFullDisk(t *testing.T) {
	w := newWorldOnDisk(t, 96)
	logs := filepath.Join(w.dir, "log", "console")
	onDisk := filepath.Join(w.db(), "console")
	must(t, os.Mkdir(onDisk, 0o700))
	must(t, os.Remove(logs))
	must(t, os.Symlink(onDisk, logs))
	w.killAndAwait("albatross-console", syscall.SIGTERM)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=1")
	w.console("tick", "tick 10")
	w.fill(0)
	full := w.awaitTick(1)
	w.awaitTick(full + 3000) // more than is kept in memory
	w.unfill()
	w.awaitTick(full + 3000 + 2000)
	next, missing := 1, 0
	for line := range strings.Lines(w.ok("console", "--since", "yesterday", "tick")) {
		var n int
		if _, err := fmt.Sscanf(line, "[%d lines dropped]", &n); err == nil {
			next, missing = next+n, missing+n
			continue
		}
		if _, err := fmt.Sscanf(line, "tick %d", &n); err != nil || n != next {
			t.Fatalf("line %q, want number %d", line, next)
		}
		next++
	}
	if missing == 0 || next < full+5000 {
		t.Errorf("%d lines are missing of %d", missing, next)
	}
	log, err := os.ReadFile(filepath.Join(w.dir, "log", "albatross-console.log"))
	must(t, err)
	if n := bytes.Count(log, []byte("cannot be recorded")); n < 1 || n > 5 {
		t.Errorf("the log tells %d times that lines cannot be recorded", n)
	}
}

// awaitTick waits until the last line of a ticker has a number or a higher one, which
// it returns.
func (w *world) awaitTick(number int) (last int) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		line := w.ok("console", "--count", "1", "tick")
		if _, err := fmt.Sscanf(line, "tick %d", &last); err != nil || last < number {
			return fmt.Errorf("the last line is %q, %w", line, err)
		}
		return nil
	})
	return last
}

// TestFloodStaysInItsQuota has a unikernel write without end: what is kept of it is
// bounded, and another one loses nothing.
func TestFloodStaysInItsQuota(t *testing.T) {
	const quota = 16 << 20
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=5")
	w.ok("create", "flood", imageFile(t, "spt", "flood"), "--", "--patient")
	logs := filepath.Join(w.dir, "log", "console")
	testutil.Eventually(t, 2*patience, func() error {
		if size := diskUse(t, filepath.Join(logs, ":flood")); size < quota*3/4 {
			return fmt.Errorf("the flood has %d bytes", size)
		}
		return nil
	})
	before := w.ticks(1)
	for range 200 {
		if size := diskUse(t, filepath.Join(logs, ":flood")); size > quota {
			t.Fatalf("the flood has %d bytes", size)
		}
		w.ok("console", "--count", "1", "tick")
	}
	numbers := w.ticks(before[len(before)-1] + 1)
	for i, n := range numbers {
		if n != i+1 {
			t.Fatalf("line %d of the other one has number %d", i+1, n)
		}
	}
}

// diskUse returns the bytes of the files in a directory.
func diskUse(t testing.TB, dir string) (size int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	must(t, err)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			size += info.Size()
		}
	}
	return size
}

// named returns the name of a unikernel.
func named(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseName(s)
	must(t, err)
	return n
}
