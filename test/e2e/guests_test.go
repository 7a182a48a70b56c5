package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

func TestHello(t *testing.T) {
	eachTarget(t, func(t *testing.T, target string) {
		w := newWorld(t)
		w.ok("create", "a.b.hello", imageFile(t, target, "hello"), "--", "one", "two")
		if out := w.console("a.b.hello", "one two"); !strings.Contains(out, "--name=hello") {
			t.Errorf("console is %q, without the added name", out)
		}
		if code, signal := w.ended("a.b.hello"); code != 0 || signal != 0 {
			t.Errorf("hello ended with code %d, signal %d", code, signal)
		}
	})
}

func TestExitCodesComeThrough(t *testing.T) {
	eachTarget(t, func(t *testing.T, target string) {
		w := newWorld(t)
		for _, code := range []int{0, 2, 3, 64, 255} {
			name := fmt.Sprintf("exit%d", code)
			w.ok("create", "--no-add-name", name, imageFile(t, target, "exit"), "--", fmt.Sprint(code))
			if got, signal := w.ended(name); got != code || signal != 0 {
				t.Errorf("exit %d ended with code %d, signal %d", code, got, signal)
			}
		}
	})
}

// TestCrashesStayInside has guests do what they must not: they die, everything
// else lives on.
func TestCrashesStayInside(t *testing.T) {
	type end struct{ code, signal int }
	died := func(s syscall.Signal) end { return end{-1, int(s)} }
	refused := end{1, 0}
	wants := map[string]map[string]end{
		"spt": {"null": died(syscall.SIGSEGV), "text": died(syscall.SIGSEGV), "data": died(syscall.SIGSEGV), "syscall": died(syscall.SIGSYS)},
		"hvt": {"null": refused, "text": refused, "data": {0, 0}, "hypercall": refused, "port": refused},
	}
	eachTarget(t, func(t *testing.T, target string) {
		w := newWorld(t)
		w.ok("create", "bystander", imageFile(t, target, "ticker"))
		before := w.pid("bystander")
		for how, want := range wants[target] {
			w.ok("create", how, imageFile(t, target, "crash"), "--", how)
			if code, signal := w.ended(how); (end{code, signal}) != want {
				t.Errorf("crash %s ended with code %d, signal %d; want %+v", how, code, signal, want)
			}
		}
		if after := w.pid("bystander"); after != before {
			t.Error("the bystander was started again")
		}
	})
}

func TestBlockGuestVerifiesItsData(t *testing.T) {
	eachTarget(t, func(t *testing.T, target string) {
		w := newWorld(t)
		disk := filepath.Join(w.dir, "db", "block", ":data")
		must(t, os.WriteFile(disk, make([]byte, 1<<20), 0o600))
		sectors := "--sectors=2048"
		if target == "hvt" {
			sectors = "--sectors=64" // maybe interpreted
		}
		w.ok("create", "disk", imageFile(t, target, "block"), "--block", "storage:data", "--", sectors)
		w.console("disk", "verified")
		if code, signal := w.ended("disk"); code != 0 || signal != 0 {
			t.Errorf("block ended with code %d, signal %d", code, signal)
		}
		w.ok("create", "again", imageFile(t, target, "block"), "--block", "storage:data", "--", "--check", sectors)
		if code, signal := w.ended("again"); code != 0 || signal != 0 {
			t.Errorf("checking what was written ended with code %d, signal %d", code, signal)
		}
	})
}

// TestBlockDeviceIsOneUnikernels lets two want the same device.
func TestBlockDeviceIsOneUnikernels(t *testing.T) {
	w := newWorld(t)
	must(t, os.WriteFile(filepath.Join(w.dir, "db", "block", ":data"), make([]byte, 8<<20), 0o600))
	w.ok("create", "--restart", "always", "one", imageFile(t, "spt", "block"), "--block", "storage:data", "--mem", "16")
	// It writes for a while and begins again; while it waits, the device is free.
	testutil.Eventually(t, patience, func() error {
		r := w.run("create", "two", imageFile(t, "spt", "block"), "--block", "storage:data", "--", "--sectors=1")
		if r.code == 1 && strings.Contains(r.stderr, "in use") {
			return nil
		}
		return fmt.Errorf("%+v", r)
	})
}

func TestMemoryGuest(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "--mem", "128", "memory", imageFile(t, "spt", "memory"), "--", "--mb=100")
	w.console("memory", "100 M")
	if code, signal := w.ended("memory"); code != 0 || signal != 0 {
		t.Errorf("memory ended with code %d, signal %d", code, signal)
	}
}

// TestSpinningGuestIsDestroyed ends what never yields.
func TestSpinningGuestIsDestroyed(t *testing.T) {
	eachTarget(t, func(t *testing.T, target string) {
		w := newWorld(t)
		w.ok("create", "spin", imageFile(t, target, "spin"))
		w.ok("destroy", "spin")
		if s := w.state("spin"); len(s.Unikernels) > 0 {
			t.Errorf("it is still there: %+v", s)
		}
	})
}

// TestFifty creates, lists and destroys 50 unikernels in parallel, with clients
// of their own. What is left is looked for by newWorld.
func TestFifty(t *testing.T) {
	testutil.RequireTap(t)
	w := newWorld(t)
	testutil.AddBridge(t, "fifty", "10.0.50.1/24")
	for _, daemon := range []string{"albatrossd", "albatross-keeper", "albatross-console"} {
		testutil.NoLeakedFDs(t, w.daemonPID(daemon)) // memfds, taps, FIFOs and all
	}
	image := imageFile(t, "spt", "web")
	const n = 50
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r := w.run("create", fmt.Sprintf("web%d", i), image, "--net", "service:fifty", "--", fmt.Sprintf("--ipv4=10.0.50.%d/24", i+2))
			if r.code != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	wg.Wait()
	running := 0
	for _, u := range w.state().Unikernels {
		if u.Phase == "running" && u.PID > 0 {
			running++
		}
	}
	if running != n || len(taps(t)) != n {
		t.Errorf("%d unikernels run, with %d taps", running, len(taps(t)))
	}
	for i := range n {
		wg.Go(func() {
			if r := w.run("destroy", fmt.Sprintf("web%d", i)); r.code != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	wg.Wait()
	if s := w.state(); len(s.Unikernels) > 0 {
		t.Errorf("unikernels are left: %+v", s)
	}
	entries, err := os.ReadDir(filepath.Join(w.dir, "db", "images", "sha256"))
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("images are left: %v", entries)
	}
}
