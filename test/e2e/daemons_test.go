package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"
)

// daemonPIDs returns the processes of a daemon of w.
func (w *world) daemonPIDs(name string) []int {
	w.t.Helper()
	var pids []int
	for _, p := range processes(w.t) {
		if strings.Contains(p.cmdline, "/"+name+" ") && strings.Contains(p.cmdline, w.dir) {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// daemonPID returns the process of a daemon of w that runs, or will soon.
func (w *world) daemonPID(name string) int {
	w.t.Helper()
	var pids []int
	testutil.Eventually(w.t, patience, func() error {
		if pids = w.daemonPIDs(name); len(pids) != 1 {
			return fmt.Errorf("the processes of %s are %v", name, pids)
		}
		return nil
	})
	return pids[0]
}

// TestUnikernelsSurviveTheDaemon kills albatrossd: unikernels go on, and it is
// started again and knows them.
func TestUnikernelsSurviveTheDaemon(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			w := newWorld(t)
			w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=10")
			before := w.pid("tick")
			w.console("tick", "tick 3")
			daemon := w.daemonPID("albatrossd")
			must(t, syscall.Kill(daemon, sig))
			testutil.Eventually(t, patience, func() error {
				if r := w.run("info", "tick"); r.code != 0 || slices.Contains(w.daemonPIDs("albatrossd"), daemon) {
					return fmt.Errorf("%+v", r)
				}
				return nil
			})
			if after := w.pid("tick"); after != before {
				t.Errorf("the unikernel was process %d and is %d", before, after)
			}
			w.ok("destroy", "tick")
		})
	}
}

// TestNothingAcknowledgedIsLost kills the daemon again and again while a client
// restarts and replaces a unikernel: it is there afterwards, once.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	w := newWorld(t)
	image := imageFile(t, "spt", "ticker")
	const n = 3
	for i := range n {
		w.ok("create", fmt.Sprint("tick", i), image)
	}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default: // whether it is obeyed or refused matters not
					w.run("restart", fmt.Sprint("tick", i))
					w.run("create", "-f", fmt.Sprint("tick", i), image)
				}
			}
		})
	}
	for range 6 {
		daemon := w.daemonPID("albatrossd")
		must(t, syscall.Kill(daemon, syscall.SIGKILL))
		testutil.Eventually(t, patience, func() error {
			if r := w.run("info"); r.code != 0 {
				return fmt.Errorf("%+v", r)
			}
			return nil
		})
	}
	close(stop)
	clients.Wait()
	testutil.Eventually(t, patience, func() error {
		s := w.state()
		for _, u := range s.Unikernels {
			if u.Phase != "running" {
				return fmt.Errorf("%+v", s)
			}
		}
		running := 0
		for _, p := range processes(t) {
			if strings.HasPrefix(p.cmdline, "spt:") {
				running++
			}
		}
		if len(s.Unikernels) != n || running != n {
			return fmt.Errorf("%d processes; %+v", running, s)
		}
		return nil
	})
}

// TestConsoleSurvives kills albatross-console: the unikernel goes on, and what
// it wrote and writes can be read again.
func TestConsoleSurvives(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=10")
	w.console("tick", "tick 3")
	before := w.pid("tick")
	seen := w.awaitTick(3)
	w.killAndAwait("albatross-console", syscall.SIGKILL)
	w.awaitTick(seen + 300) // which it writes only then
	if first := w.ok("console", "--since", "yesterday", "tick"); !strings.HasPrefix(first, "tick 1\n") {
		t.Errorf("what was written before has gone: %q", first)
	}
	if after := w.pid("tick"); after != before {
		t.Errorf("the unikernel was process %d and is %d", before, after)
	}
}

// TestKeeperDies kills the parent of all unikernels: they die with it and are
// started again.
func TestKeeperDies(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"))
	before := w.pid("tick")
	must(t, syscall.Kill(w.daemonPID("albatross-keeper"), syscall.SIGKILL))
	testutil.Eventually(t, patience, func() error {
		s := w.state("tick")
		if len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" || s.Unikernels[0].PID == before {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// TestFlood prints 10 MB as fast as a unikernel can: neither does any daemon
// stand still, nor does one grow.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	daemons := []string{"albatrossd", "albatross-console", "albatross-keeper"}
	before := map[string]int{}
	w.ok("create", "warm", imageFile(t, "spt", "hello"))
	w.console("warm", "\n")
	for _, d := range daemons {
		before[d] = memoryKB(t, w.daemonPID(d))
	}
	w.ok("create", "endless", imageFile(t, "spt", "flood"))
	for range 20 { // while it prints without end
		if s := w.state("endless"); len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" {
			t.Fatalf("%+v", s)
		}
	}
	w.ok("create", "flood", imageFile(t, "spt", "flood"), "--", "--bytes=10000000", "--patient")
	if code, signal := w.ended("flood"); code != 0 || signal != 0 {
		t.Errorf("flood ended with code %d, signal %d", code, signal)
	}
	w.console("flood", "done")
	w.ok("destroy", "endless")
	const most = 8 << 10 // KB; a Go program's heap breathes
	for _, d := range daemons {
		if grown := memoryKB(t, w.daemonPID(d)) - before[d]; grown > most {
			t.Errorf("%s has grown by %d KB", d, grown)
		}
	}
}

// memoryKB returns the resident memory of a process.
func memoryKB(t testing.TB, pid int) int { return statusKB(t, pid, "VmRSS") }

// peakKB returns the most resident memory that a process had since resetPeak.
func peakKB(t testing.TB, pid int) int { return statusKB(t, pid, "VmHWM") }

func resetPeak(t testing.TB, pid int) {
	t.Helper()
	must(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0))
}

func statusKB(t testing.TB, pid int, field string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		var kb int
		if n, _ := fmt.Sscanf(line, field+": %d kB", &kb); n == 1 {
			return kb
		}
	}
	t.Fatalf("process %d has no %s", pid, field)
	return 0
}

// TestUpInTheForeground ends everything on Ctrl-C, unikernels included, and
// runs them again at the next start.
func TestUpInTheForeground(t *testing.T) {
	w := &world{t: t, dir: testutil.TempDirShort(t)}
	t.Cleanup(w.checkNothingLeft)
	up := w.command("albatross", "up", "--dir", w.dir)
	out, err := up.StdoutPipe()
	must(t, err)
	must(t, up.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	if want := "ALBATROSS_TMPDIR=" + filepath.Join(w.dir, "run"); !strings.Contains(line, want) {
		t.Errorf("up prints %q, want %q in it", line, want)
	}
	w.ok("create", "tick", imageFile(t, "spt", "ticker"))
	pid := w.pid("tick")
	must(t, up.Process.Signal(syscall.SIGINT))
	_, _ = io.Copy(io.Discard, out)
	if err := up.Wait(); err != nil {
		t.Errorf("up ended with %v", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the unikernel outlives up: %v", err)
	}
	w.ok("up", "--dir", w.dir, "--detach")
	testutil.Eventually(t, patience, func() error {
		if s := w.state("tick"); len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if r := w.run("up", "--dir", w.dir, "--detach"); r.code != 0 || !strings.HasPrefix(r.stdout, "export ") || !strings.Contains(r.stderr, w.dir) {
		t.Errorf("a second up in the background: %+v", r)
	}
	r := w.run("up", "--dir", w.dir)
	wantRefusal(t, r, "export ALBATROSS_TMPDIR=")
	w.ok("down", "--dir", w.dir)
}

// TestFollowEnds follows unikernels until they end: by themselves, and because
// somebody destroys them.
func TestFollowEnds(t *testing.T) {
	w := newWorld(t)
	r := w.run("create", "-c", "bye", imageFile(t, "spt", "hello"))
	if r.code != 0 || !strings.HasPrefix(r.stdout, "created bye\nHello from spt\n") || r.stderr != "bye ended: exit code 0: normal end\n" {
		t.Errorf("create --console: %+v", r)
	}
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=20")
	follow := w.command("albatross", "console", "-f", "tick")
	var messages strings.Builder
	follow.Stderr = &messages
	out, err := follow.StdoutPipe()
	must(t, err)
	must(t, follow.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	must(t, err)
	w.ok("destroy", "tick")
	_, _ = io.Copy(io.Discard, out) // ends with the process
	if err := follow.Wait(); err != nil || messages.String() != "tick ended: stopped on request\n" {
		t.Errorf("console --follow ended with %v, %q", err, messages.String())
	}
	if got := w.ok("info", "tick"); !strings.Contains(got, "was stopped on request") || strings.Contains(got, "SIGKILL") {
		t.Errorf("info says %q", got)
	}
	wantRefusal(t, w.run("console", "--follow", "nobody"), "there is no unikernel nobody")
}

// TestFollow follows a console until interrupted.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=20")
	follow := w.command("albatross", "console", "-f", "tick")
	out, err := follow.StdoutPipe()
	must(t, err)
	must(t, follow.Start())
	lines := bufio.NewScanner(out)
	last, deadline := "", time.Now().Add(patience)
	for !strings.Contains(last, "tick 20") && time.Now().Before(deadline) && lines.Scan() {
		last = lines.Text()
	}
	must(t, follow.Process.Signal(syscall.SIGINT))
	_ = follow.Wait() // its exit code says that it was interrupted
	if !strings.Contains(last, "tick 20") {
		t.Errorf("the last line is %q", last)
	}
}
