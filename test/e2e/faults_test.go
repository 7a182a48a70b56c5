package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"

	"github.com/vishvananda/netlink"
)

// TestExhaustedMemoryPolicy asks for more memory than a policy has left, from its
// own path and from below: the sentence has the policy, its limit, what is used
// and what was asked.
func TestExhaustedMemoryPolicy(t *testing.T) {
	w := newWorld(t)
	ticker := imageFile(t, "spt", "ticker")
	w.ok("add-policy", "shop", "--unikernels", "9", "--mem", "64")
	w.ok("create", "--mem", "48", "shop.one", ticker)
	before := w.pid("shop.one")
	const left = "policy shop allows 64 MB of memory: 48 MB in use, 17 MB asked for"
	wantRefusal(t, w.run("create", "--mem", "17", "shop.two", ticker), left)
	wantRefusal(t, w.run("create", "--mem", "17", "shop.eu.two", ticker), left)
	wantRefusal(t, w.run("create", "-f", "--mem", "65", "shop.one", ticker), "policy shop allows 64 MB of memory: 0 MB in use, 65 MB asked for")
	wantRefusal(t, w.run("restart", "shop.one", "--replace-arguments", "--mem", "65"), "65 MB asked for")
	wantRefusal(t, w.run("add-policy", "shop", "--unikernels", "9", "--mem", "47"), "policy shop would allow 47 MB of memory, less than the 48 MB in use")
	if after := w.pid("shop.one"); after != before {
		t.Errorf("what was refused made process %d be %d", before, after)
	}
	w.ok("create", "--mem", "16", "shop.eu.two", ticker)
	w.ok("destroy", "shop.one")
	w.ok("create", "--mem", "48", "shop.three", ticker)
}

// TestMissingBridge has a bridge vanish under a unikernel: it runs on, is not
// restarted without the bridge, and is with it.
func TestMissingBridge(t *testing.T) {
	testutil.RequireTap(t)
	w := newWorld(t)
	testutil.AddBridge(t, "vanish", "")
	web := imageFile(t, "spt", "web")
	w.ok("create", "www", web, "--net", "service:vanish")
	before := w.pid("www")
	bridge, err := netlink.LinkByName("vanish")
	must(t, err)
	must(t, netlink.LinkDel(bridge))
	wantRefusal(t, w.run("restart", "www"), `there is no bridge "vanish"`)
	wantRefusal(t, w.run("create", "-f", "www", web, "--net", "service:vanish"), `there is no bridge "vanish"`)
	wantRefusal(t, w.run("create", "other", web, "--net", "service:vanish"), `there is no bridge "vanish"`)
	w.killAndAwait("albatrossd", syscall.SIGKILL)
	if after := w.pid("www"); after != before || len(taps(t)) != 1 {
		t.Errorf("process %d is %d, with taps %v", before, after, taps(t))
	}
	testutil.AddBridge(t, "vanish", "")
	w.ok("restart", "www")
	if after := w.pid("www"); after == before || len(taps(t)) != 1 {
		t.Errorf("process %d is %d, with taps %v", before, after, taps(t))
	}
}

// TestCrashLoop runs what crashes at once and is to be restarted always: it waits
// longer each time, says until when and why, also to the next daemon, and is gone
// once it is destroyed.
func TestCrashLoop(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "--restart", "always", "loop", imageFile(t, "spt", "crash"), "--", "null")
	var pauses []time.Duration
	for restarts := 1; restarts <= 3; restarts++ {
		pauses = append(pauses, w.awaitPause("loop", restarts))
	}
	if !slices.IsSorted(pauses) || pauses[0] <= 0 || pauses[2] < 2*pauses[0] {
		t.Errorf("the pauses are %v, want them to grow", pauses)
	}
	for _, args := range [][]string{{"info"}, {"info", "loop"}} {
		if out := w.ok(args...); !strings.Contains(out, "waiting") {
			t.Errorf("albatross %v does not say that it waits:\n%s", args, out)
		}
	}
	if out := w.ok("info", "loop"); !strings.Contains(out, "SIGSEGV") || !strings.Contains(out, "next start") {
		t.Errorf("albatross info does not say why and until when:\n%s", out)
	}
	if w.ok("destroy", "loop"); len(w.state("loop").Unikernels) > 0 {
		t.Errorf("it is there still: %+v", w.state("loop"))
	}
	w.killAndAwait("albatrossd", syscall.SIGKILL)
	if s := w.state(); len(s.Unikernels) > 0 {
		t.Errorf("it is there again: %+v", s)
	}
}

// awaitPause waits until a unikernel has been restarted so many times and waits
// again, and returns for how long.
func (w *world) awaitPause(name string, restarts int) (pause time.Duration) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		s := w.state(name)
		if len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "waiting" || s.Unikernels[0].Restarts != restarts {
			return fmt.Errorf("%+v", s)
		}
		u := s.Unikernels[0]
		if u.LastExit == nil || u.LastExit.Signal != int(syscall.SIGSEGV) || u.LastExit.Reason == "" {
			w.t.Errorf("it waits, and its last exit is %+v", u.LastExit)
			return nil
		}
		pause = u.NextStart.Sub(u.LastExit.At)
		return nil
	})
	return pause
}

// TestSecondDaemon starts daemons where others run: each says so and ends, and
// nothing happens to those that run, nor to unikernels.
func TestSecondDaemon(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"))
	before := w.pid("tick")
	daemons := []string{"albatrossd", "albatross-keeper", "albatross-console", "albatross-stats"}
	pids := map[string]int{}
	for _, d := range daemons {
		pids[d] = w.daemonPID(d)
	}
	run, db := filepath.Join(w.dir, "run"), w.db()
	elsewhere := testutil.TempDirShort(t)
	for _, tt := range []struct {
		what  string
		args  []string
		words string // in what it says
	}{
		{"both directories", []string{"albatrossd", "--tmpdir", run, "--dbdir", db}, db},
		{"its database", []string{"albatrossd", "--tmpdir", filepath.Join(elsewhere, "run"), "--dbdir", db}, db},
		{"its sockets", []string{"albatrossd", "--tmpdir", run, "--dbdir", filepath.Join(elsewhere, "db")}, run},
		{"keeper", []string{"albatross-keeper", "--tmpdir", run}, run},
		{"console", []string{"albatross-console", "--tmpdir", run}, run},
		{"stats", []string{"albatross-stats", "--tmpdir", run}, run},
	} {
		t.Run(tt.what, func(t *testing.T) {
			r := execute(t, w.command(tt.args[0], tt.args[1:]...))
			lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
			if r.code != 1 || r.stdout != "" || len(lines) != 1 || !strings.Contains(lines[0], "another") ||
				!strings.Contains(lines[0], tt.words) || strings.Contains(lines[0], "resource temporarily unavailable") {
				t.Errorf("%+v; want one line about another daemon that uses %s, and exit code 1", r, tt.words)
			}
			if after := w.pid("tick"); after != before || syscall.Kill(before, 0) != nil {
				t.Errorf("the unikernel was process %d and is %d", before, after)
			}
			for _, d := range daemons {
				if pid := w.daemonPID(d); pid != pids[d] {
					t.Errorf("%s was process %d and is %d", d, pids[d], pid)
				}
			}
		})
	}
	w.ok("restart", "tick")
	w.ok("add-policy", "shop", "--unikernels", "1")
	w.ok("console", "tick")
	w.killAndAwait("albatrossd", syscall.SIGKILL)
	w.ok("destroy", "tick")
	w.ok("remove-policy", "shop")
}
