package host

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/keeper"
	"albatross/internal/lifecycle"
	"albatross/internal/store"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// TestEndsSurviveTheDaemon restarts the daemon over a unikernel in back-off and
// one that is gone.
func TestEndsSurviveTheDaemon(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("gone", "exit", config("3"), false))
	before := w.gone("gone")
	cfg := config("4")
	cfg.Fail = vm.Fail{Mode: vm.FailRestart}
	must(t, w.create("loop", "exit", cfg, false))
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("loop"); s.Restarts < 1 || s.Phase != api.PhaseWaiting {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
	w.close()
	w.open()
	if after := w.gone("gone"); after != before {
		t.Errorf("ended as %+v, after a restart of the daemon as %+v", before, after)
	}
	s := w.state("loop")
	if s.Restarts < 1 || s.LastExit == nil || s.LastExit.Exit.Code != 4 {
		t.Errorf("after a restart of the daemon the state is %+v", s)
	}
	if w.host.unit(name(t, "loop")).state.Failures < 2 {
		t.Error("the daemon has forgotten how often it failed")
	}
}

// TestAnEndIsCountedOnce leaves an end that is recorded with the keeper, as a
// daemon that is killed between the two does.
func TestAnEndIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	cfg := config()
	cfg.Fail = vm.Fail{Mode: vm.FailAlways}
	must(t, w.create("a", "ticker", cfg, false))
	u := w.host.unit(name(t, "a"))
	id, pid := u.run.id, w.state("a").PID
	must(t, w.host.store.PutEnd(name(t, "a"), store.End{ID: u.record.ID, Run: id, Exit: vm.Exit{Code: 7}, Restarts: 5, Failures: 1}))
	w.close()
	killChild(t, w, id)
	w.open()
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("a"); s.Phase != api.PhaseRunning || s.PID == pid {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
	if s := w.state("a"); s.Restarts != 6 || s.LastExit == nil || s.LastExit.Exit.Code != 7 {
		t.Errorf("the end was judged again: %+v", s)
	}
}

// killChild ends a process of the keeper without a daemon, and waits for its end.
func killChild(t *testing.T, w *world, id string) {
	t.Helper()
	ended := make(chan struct{})
	c, err := keeper.Dial(t.Context(), w.cfg.Tmp.Keeper(), func(keeper.Process) { close(ended) })
	must(t, err)
	must(t, c.Watch(t.Context()))
	must(t, c.Signal(t.Context(), id, 9, keeper.NoPurpose))
	<-ended
	must(t, c.Close())
}

func TestResumedCountsRestarts(t *testing.T) {
	e := store.End{Run: "x.1", Restarts: 2, Failures: 3}
	for _, c := range []struct {
		end      store.End
		has      bool
		process  string
		restarts int
		phase    lifecycle.Phase
	}{
		{e, false, "", 2, lifecycle.Starting}, // its start will count
		{e, true, "x.2", 3, lifecycle.Running},
		{e, true, "x.1", 2, lifecycle.Running}, // it ends now
		{store.End{}, true, "x.1", 0, lifecycle.Running},
	} {
		s := resumed(c.end, c.has, c.process)
		if s.Restarts != c.restarts || s.Phase != c.phase || !s.Proven || s.Failures != c.end.Failures {
			t.Errorf("%+v with process %q: %+v", c.end, c.process, s)
		}
	}
}

// TestOldEndsAreForgotten remembers a bounded number, the newest.
func TestOldEndsAreForgotten(t *testing.T) {
	w := newWorld(t)
	const many = 2 * mostEnds
	for i := range many {
		n := name(t, fmt.Sprint("g", i))
		e := store.End{ID: "x", At: time.Unix(int64(i), 0).UTC()}
		w.host.mu.Lock()
		w.host.ends[n] = e
		w.host.mu.Unlock()
		must(t, w.host.store.PutEnd(n, e))
		w.host.forgetEnds()
	}
	ends, err := w.host.store.Ends()
	must(t, err)
	if _, newest := ends[name(t, fmt.Sprint("g", many-1))]; !newest || len(ends) < mostEnds || len(ends) > 2*mostEnds-1 {
		t.Errorf("%d ends are kept, the newest: %v", len(ends), newest)
	}
}

// TestClockJump has a unikernel end that ran for a second, while the clock of the
// host was set by a day: it is not taken for one that ran well for long.
func TestClockJump(t *testing.T) {
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		w := newWorld(t)
		cfg := config()
		cfg.Fail = vm.Fail{Mode: vm.FailAlways}
		must(t, w.create("a", "ticker", cfg, false))
		u := w.host.unit(name(t, "a"))
		r := u.run
		w.host.mu.Lock()
		u.state.Failures = 3
		w.host.mu.Unlock()
		p := r.process
		p.Ended, p.Ran, p.Status = p.Started.Add(jump), time.Second, 9
		w.host.end(r, p, false)
		testutil.Eventually(t, 10*time.Second, func() error {
			if s := w.state("a"); s.Phase != api.PhaseWaiting {
				return fmt.Errorf("state is %+v", s)
			}
			return nil
		})
		w.host.mu.Lock()
		failures, due := u.state.Failures, u.due
		w.host.mu.Unlock()
		if wait := time.Until(due); failures != 4 || wait > lifecycle.Delay(3) {
			t.Errorf("after a jump of %v: %d failures, the next start in %v", jump, failures, wait)
		}
		// The process has not ended in truth, unless with its control group.
		if err := w.host.keeper.signal(t.Context(), r.id, 9, keeper.NoPurpose); !errors.Is(err, keeper.ErrUnknown) {
			must(t, err)
		}
		testutil.Eventually(t, 10*time.Second, func() error { return w.host.keeper.forget(t.Context(), r.id) })
	}
}
