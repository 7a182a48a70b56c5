package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/events"
	"albatross/internal/keeper"
	"albatross/internal/store"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// running waits until a unikernel runs.
func (w *world) running(n string) {
	w.t.Helper()
	testutil.Eventually(w.t, 10*time.Second, func() error {
		s := w.host.State(name(w.t, n))
		if len(s.Unikernels) != 1 || s.Unikernels[0].Phase != api.PhaseRunning {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
}

// TestIntentSurvivesTheDaemon kills a process as a daemon does that is itself
// killed at that instant. The next one must know what it was about.
func TestIntentSurvivesTheDaemon(t *testing.T) {
	for _, why := range []keeper.Purpose{keeper.Keep, keeper.Drop} {
		t.Run(string(why), func(t *testing.T) {
			w := newWorld(t)
			must(t, w.create("a", "ticker", config(), false))
			id := w.host.unit(name(t, "a")).run.id
			w.close()
			ended := make(chan struct{})
			c, err := keeper.Dial(t.Context(), w.cfg.Tmp.Keeper(), func(keeper.Process) { close(ended) })
			must(t, err)
			must(t, c.Watch(t.Context()))
			must(t, c.Signal(t.Context(), id, syscall.SIGKILL, why))
			<-ended
			must(t, c.Close())
			w.open()
			if why == keeper.Keep {
				w.running("a")
				return
			}
			w.gone("a")
		})
	}
}

func TestDestroyAfterShutdown(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	_, err := w.host.Shutdown(t.Context())
	must(t, err)
	_, err = w.host.Destroy(t.Context(), name(t, "a"))
	must(t, err)
	w.close()
	w.open()
	if s := w.host.State(vm.Name{}); len(s.Unikernels) > 0 {
		t.Errorf("it is there again: %+v", s)
	}
}

// TestDestroyIsTriedAgain destroys while nothing can be recorded, and again when
// it can: only then it is done.
func TestDestroyIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	must(t, w.host.store.Close())
	if _, err := w.host.Destroy(t.Context(), name(t, "a")); err == nil {
		t.Error("destroyed without a store")
	}
	s, err := store.Open(w.cfg.DB.State())
	must(t, err)
	w.host.store = s
	_, err = w.host.Destroy(t.Context(), name(t, "a"))
	must(t, err)
	if s := w.host.State(vm.Name{}); len(s.Unikernels) > 0 {
		t.Errorf("it is still there: %+v", s)
	}
}

// TestCleanUpThatFailsHarmsNothing replaces a unikernel whose image cannot be
// removed.
func TestCleanUpThatFailsHarmsNothing(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	old := filepath.Join(w.cfg.DB.Images(), "sha256", w.host.unit(name(t, "a")).record.Image.String())
	must(t, os.Remove(old))
	must(t, os.MkdirAll(filepath.Join(old, "x"), 0o755))
	t.Cleanup(func() { os.RemoveAll(old) })
	must(t, w.create("a", "spin", config(), true))
	must(t, w.host.Restart(t.Context(), name(t, "a"), nil))
	must(t, os.RemoveAll(old))
}

func TestArgumentsAreBytes(t *testing.T) {
	w := newWorld(t)
	argv := []string{"\xff\xfe", "", "ä"}
	must(t, w.create("a", "spin", config(argv...), false))
	w.close()
	w.open()
	if got := w.state("a").Info.Argv; !slices.Equal(got, argv) {
		t.Errorf("arguments were %q and are %q", argv, got)
	}
}

// TestShutdownMissesNothing shuts down while unikernels are created and
// restarted: nothing runs afterwards.
func TestShutdownMissesNothing(t *testing.T) {
	for range 5 {
		w := newWorld(t)
		for j := range 4 {
			must(t, w.create(fmt.Sprint("u", j), "ticker", config(), false))
		}
		var wg sync.WaitGroup
		for j := range 4 {
			wg.Go(func() { _ = w.host.Restart(t.Context(), name(t, fmt.Sprint("u", j)), nil) })
			wg.Go(func() { _ = w.create(fmt.Sprint("v", j), "ticker", config(), false) })
		}
		_, err := w.host.Shutdown(t.Context())
		must(t, err)
		if left := testutil.Children(w.keeper.Process.Pid); len(left) > 0 {
			t.Errorf("still running: %v", left)
		}
		wg.Wait()
		if left := testutil.Children(w.keeper.Process.Pid); len(left) > 0 {
			t.Errorf("started after the shutdown: %v", left)
		}
	}
}

// TestConnectionToKeeperBreaks cuts the connection again and again under load:
// nothing is started twice, and nothing is left.
func TestConnectionToKeeperBreaks(t *testing.T) {
	w := newWorld(t)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for j := range 4 {
		wg.Go(func() {
			n := name(t, fmt.Sprint("u", j))
			for !stop.Load() {
				if err := w.create(n.String(), "ticker", config(), false); err == nil {
					_, _ = w.host.Destroy(context.Background(), n)
				}
			}
		})
	}
	for range 10 {
		c, err := w.host.keeper.get()
		if err == nil {
			_ = c.Close()
		}
		testutil.Eventually(t, 10*time.Second, func() error {
			now, err := w.host.keeper.get()
			if err == nil && now == c {
				err = errors.New("it is the old connection")
			}
			return err
		})
	}
	stop.Store(true)
	wg.Wait()
	testutil.Eventually(t, 10*time.Second, func() error {
		units, processes := len(w.host.State(vm.Name{}).Unikernels), len(testutil.Children(w.keeper.Process.Pid))
		if processes > units {
			return fmt.Errorf("%d processes for %d units", processes, units)
		}
		return nil
	})
}

// TestBlockDeviceOfAWaitingUnikernel is as little to be had as that of one that
// runs.
func TestBlockDeviceOfAWaitingUnikernel(t *testing.T) {
	w := newWorld(t)
	must(t, w.host.AddBlock(t.Context(), name(t, "data"), 1))
	cfg := config("--sectors=1")
	device := "data"
	cfg.Blocks = []vm.Block{{Name: "storage", Device: &device}}
	cfg.Fail = vm.Fail{Mode: vm.FailAlways}
	must(t, w.create("one", "block", cfg, false))
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("one"); s.Phase != api.PhaseWaiting || s.Restarts == 0 {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
	wantCode(t, w.create("two", "block", cfg, false), api.InUse, "one")
	wantCode(t, w.host.RemoveBlock(t.Context(), name(t, "data")), api.InUse, "one")
	_, err := w.host.Destroy(t.Context(), name(t, "one"))
	must(t, err)
	must(t, w.host.RemoveBlock(t.Context(), name(t, "data")))
}

// TestStopIsFinished finds a process that runs, but which an earlier daemon had
// begun to stop.
func TestStopIsFinished(t *testing.T) {
	for _, why := range []keeper.Purpose{keeper.Keep, keeper.Drop} {
		t.Run(string(why), func(t *testing.T) {
			w := newWorld(t)
			must(t, w.create("a", "ticker", config(), false))
			before := w.state("a").PID
			id := w.host.unit(name(t, "a")).run.id
			w.close()
			c, err := keeper.Dial(t.Context(), w.cfg.Tmp.Keeper(), func(keeper.Process) {})
			must(t, err)
			must(t, c.Signal(t.Context(), id, 0, why)) // remembered, and no signal
			must(t, c.Close())
			w.open()
			if why == keeper.Drop {
				w.gone("a")
				return
			}
			testutil.Eventually(t, 10*time.Second, func() error {
				if s := w.state("a"); s.Phase != api.PhaseRunning || s.PID == before {
					return fmt.Errorf("state is %+v", s)
				}
				return nil
			})
		})
	}
}

// TestReplacingWhatIsHalfDestroyed finishes the destruction first.
func TestReplacingWhatIsHalfDestroyed(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("other", "ticker", config(), false)) // of the same image
	must(t, w.create("a", "ticker", config(), false))
	must(t, w.host.store.Close())
	if _, err := w.host.Destroy(t.Context(), name(t, "a")); err == nil {
		t.Error("destroyed without a store")
	}
	s, err := store.Open(w.cfg.DB.State())
	must(t, err)
	w.host.store = s
	must(t, w.create("a", "ticker", config(), true))
	must(t, w.host.Restart(t.Context(), name(t, "other"), nil))
	if use := w.host.tree.Use(vm.Path{}); use.Unikernels != 2 {
		t.Errorf("%+v is reserved", use)
	}
}

// TestWatchMissesNothing watches while unikernels are created.
func TestWatchMissesNothing(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := w.create(fmt.Sprint("u", i), "ticker", config(), false); err != nil {
				t.Error(err)
			}
		})
	}
	var watches []*Watch
	for range 50 {
		watches = append(watches, w.host.Watch())
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	for _, watch := range watches {
		seen := map[vm.Name]bool{}
		for _, c := range watch.Take() {
			seen[c.Name] = seen[c.Name] || c.Runs && c.PID > 0
		}
		if len(seen) != 20 {
			t.Fatalf("a watch has seen %d of 20", len(seen))
		}
		watch.Close()
	}
}

// reopenStore makes records writable again. The units named may be at writing
// theirs.
func (w *world) reopenStore(busy ...string) {
	w.t.Helper()
	for _, n := range busy {
		unlock, err := w.host.names.lock(w.t.Context(), name(w.t, n))
		must(w.t, err)
		defer unlock()
	}
	s, err := store.Open(w.cfg.DB.State())
	must(w.t, err)
	w.host.store = s
}

// TestFailedOperationsLeaveNoEnd: what never was has not ended, and what was to
// be replaced has ended as before.
func TestFailedOperationsLeaveNoEnd(t *testing.T) {
	w := newWorld(t)
	cfg := config()
	cfg.Fail = vm.Fail{Mode: vm.FailAlways}
	must(t, w.create("a", "ticker", cfg, false))
	killChild(t, w, w.host.unit(name(t, "a")).run.id)
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("a"); s.Restarts != 1 || s.Phase != api.PhaseRunning {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
	must(t, w.host.store.Close())
	if w.create("x", "ticker", config(), false) == nil || w.create("a", "spin", cfg, true) == nil {
		t.Error("created without a store")
	}
	w.reopenStore()
	if s := w.host.State(name(t, "x")); len(s.Ended) > 0 {
		t.Errorf("it never was, and has ended: %+v", s.Ended)
	}
	if s := w.state("a"); s.LastExit == nil || s.Restarts < 1 {
		t.Errorf("its end was forgotten: %+v", s)
	}
}

// TestClockSetBackBetweenRuns takes the process that runs for the newest one.
func TestClockSetBackBetweenRuns(t *testing.T) {
	now := time.Now().UTC()
	ended := keeper.Process{ID: "r.1", Started: now, Ended: now.Add(time.Second)}
	running := keeper.Process{ID: "r.2", Started: now.Add(-time.Hour)}
	for _, all := range [][]keeper.Process{{ended, running}, {running, ended}} {
		if p := newest(all)["r"]; p.ID != "r.2" {
			t.Errorf("the newest is %+v", p)
		}
	}
}

// TestCloseDuringColdStart leaves what was not started to the next daemon, and
// calls that no failure.
func TestCloseDuringColdStart(t *testing.T) {
	w := newWorld(t)
	for i := range 24 {
		must(t, w.create(fmt.Sprint("u", i), "ticker", config(), false))
	}
	_, err := w.host.Shutdown(t.Context())
	must(t, err)
	w.close()
	w.open()
	w.close()
	w.open()
	must(t, w.host.Events().Read(t.Context(), events.Wanted{}, func(e api.Event) error {
		if e.Kind == api.EventStartFailed {
			t.Errorf("%s: %s", e.Name, e.Text)
		}
		return nil
	}))
	for i := range 24 {
		w.running(fmt.Sprint("u", i))
	}
}

// TestEndOnAFullDisk has unikernels end while nothing can be recorded: once there
// is space again they are judged as ever.
func TestEndOnAFullDisk(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("killed", "ticker", config(), false))
	named := config()
	named.AddName = true
	must(t, w.create("named", "ticker", named, false))
	r := w.host.unit(name(t, "named")).run
	must(t, w.host.store.Close())
	must(t, syscall.Kill(w.state("killed").PID, syscall.SIGKILL))
	refused := r.process // as one that does not understand the added --name
	refused.Ended, refused.Ran, refused.Status = time.Now(), time.Second, 64<<8
	w.host.end(r, refused, false)
	testutil.Eventually(t, 5*time.Second, func() error {
		if s := w.state("killed"); s.Phase == api.PhaseRunning {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
	w.reopenStore("killed", "named")
	w.gone("killed")
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("named"); s.Phase != api.PhaseRunning || s.PID == r.process.PID {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
	if !w.host.unit(name(t, "named")).record.NoName {
		t.Error("it was started with the name again")
	}
}
