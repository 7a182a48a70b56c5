package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"
)

// happening is what events --json prints, as far as tests look at it.
type happening struct {
	Sequence   int64
	Time       time.Time
	Kind, Name string
	Text       string
	Code       *int
	Signal     int
	PID        int
	Request    string
}

// events returns what happened, the oldest first.
func (w *world) events(args ...string) []happening {
	w.t.Helper()
	var all []happening
	for line := range strings.Lines(w.ok(append([]string{"events", "--json", "--count=0"}, args...)...)) {
		var e happening
		must(w.t, json.Unmarshal([]byte(line), &e))
		all = append(all, e)
	}
	return all
}

// happened waits until the kinds of the first events of a name are these.
func (w *world) happened(name string, kinds ...string) []happening {
	w.t.Helper()
	var all []happening
	testutil.Eventually(w.t, patience, func() error {
		all = w.events(name)
		var got []string
		for _, e := range all {
			got = append(got, e.Kind)
		}
		if !slices.Equal(got[:min(len(got), len(kinds))], kinds) {
			return fmt.Errorf("what happened to %s: %v, want %v", name, got, kinds)
		}
		return nil
	})
	return all
}

// TestEvents looks what the event log has to tell of a creation, a crash loop, a
// destruction and refusals, and whether that survives the death of the daemon.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "shop.tick", imageFile(t, "spt", "ticker"))
	tick := w.pid("shop.tick")
	w.ok("add-policy", "tiny", "--unikernels=1", "--cpu=0", "--mem=32")
	wantRefusal(t, w.run("create", "tiny.big", imageFile(t, "spt", "hello"), "--mem=64"), "32 MB")
	wantRefusal(t, w.run("create", "shop.tick", imageFile(t, "spt", "hello")), "exists already")
	w.ok("create", "loop", imageFile(t, "spt", "exit"), "--restart=on-failure", "--", "3")

	looped := w.happened("loop", "created", "ended", "started", "ended", "waiting", "started", "ended", "waiting")
	if e := looped[3]; e.Code == nil || *e.Code != 3 || e.PID != looped[2].PID || e.PID == looped[1].PID {
		t.Errorf("the second end is %+v, after %+v", e, looped[2])
	}
	w.ok("destroy", "loop")

	must(t, syscall.Kill(w.daemonPID("albatrossd"), syscall.SIGKILL))
	testutil.Eventually(t, patience, func() error {
		if r := w.run("info"); r.code != 0 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	w.ok("destroy", "shop.tick")
	all := w.happened("shop.", "created", "refused", "ended", "destroyed")
	if e := all[0]; e.PID != tick || e.Request == "" || e.Code != nil || e.Signal != 0 {
		t.Errorf("%+v, want process %d and a request", e, tick)
	}
	if e := all[2]; e.PID != tick || e.Signal != int(syscall.SIGKILL) || e.Text != "stopped on request" {
		t.Errorf("%+v, want that process %d was stopped", e, tick)
	}
	tiny := w.happened("tiny.", "policy-set", "refused")
	if e := tiny[1]; e.Name != "tiny:big" || !strings.Contains(e.Text, "32 MB") {
		t.Errorf("%+v, want the policy that was exceeded", e)
	}
	all = w.events()
	for i, e := range all {
		if e.Sequence != int64(i+1) || e.Time.IsZero() {
			t.Errorf("event %d is %+v", i+1, e)
		}
	}
	last := w.ok("events", "--count=1", "loop")
	if !strings.HasSuffix(last, "  destroyed       loop\n") || strings.Count(last, "\n") != 1 {
		t.Errorf("the last event of loop is %q", last)
	}
	if up := slices.IndexFunc(all[1:], func(e happening) bool { return e.Kind == "host-up" }); up < 0 || all[1+up].Text != "1 running, 0 to start" {
		t.Errorf("no second start of the daemon: %+v", all)
	}
}

// TestEventsFollow sees what happens from now on.
func TestEventsFollow(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "before", imageFile(t, "spt", "ticker"))
	follow := w.command("albatross", "events", "-f", "--count=1")
	out, err := follow.StdoutPipe()
	must(t, err)
	must(t, follow.Start())
	lines := bufio.NewScanner(out)
	next := func(kind, rest string) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("it ends before %s %s: %v", kind, rest, lines.Err())
		}
		if want := fmt.Sprintf("  %-14s  %s", kind, rest); !strings.Contains(lines.Text(), want) {
			t.Errorf("the next line is %q, want %q", lines.Text(), want)
		}
	}
	next("created", "before: spt, ")
	w.ok("create", "after", imageFile(t, "spt", "exit"), "--", "7")
	next("created", "after: spt, ")
	next("ended", "after: exit code 7: ")
	next("dropped", "after: ")
	w.ok("destroy", "before")
	next("ended", "before: stopped on request")
	next("destroyed", "before")
	must(t, follow.Process.Signal(syscall.SIGINT))
	_ = follow.Wait() // its exit code says that it was interrupted
	if lines.Scan() {
		t.Errorf("after the end came %q", lines.Text())
	}
}
