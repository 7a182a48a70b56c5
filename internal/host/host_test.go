package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/keeper"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/store"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// keeperSocket makes the test binary be a keeper, which reaps all children of
// its process and so needs one of its own.
const keeperSocket = "HOST_TEST_KEEPER"

func TestMain(m *testing.M) {
	if path := os.Getenv(keeperSocket); path != "" {
		if err := serveKeeper(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if spec := os.Getenv(stopSpec); spec != "" {
		if err := serveStopped(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testutil.MainInNetns(m))
}

func serveKeeper(path string) error {
	if err := keeper.Confine(); err != nil {
		return err
	}
	l, err := keeper.Listen(path, path+".lock")
	if err != nil {
		return err
	}
	return keeper.New(slog.New(slog.DiscardHandler)).Serve(context.Background(), l)
}

// world is a host with a keeper in a directory of its own.
type world struct {
	t      *testing.T
	cfg    Config
	host   *Host
	keeper *exec.Cmd
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := testutil.TempDirShort(t)
	w := &world{t: t, cfg: Config{
		Tmp: paths.Tmp(filepath.Join(dir, "run")), DB: paths.DB(filepath.Join(dir, "db")), MaxImage: 64 << 20,
		CgroupRoot: "albatross",
	}}
	must(t, os.MkdirAll(w.cfg.Tmp.Util(), 0o755))
	t.Cleanup(w.dropGroups)
	w.startKeeper()
	t.Cleanup(w.stopKeeper)
	w.open()
	t.Cleanup(func() { w.checkClean(); w.close() })
	return w
}

func (w *world) startKeeper() {
	w.keeper = exec.Command("/proc/self/exe")
	w.keeper.Env = append(os.Environ(), keeperSocket+"="+w.cfg.Tmp.Keeper())
	w.keeper.Stderr = os.Stderr
	must(w.t, w.keeper.Start())
}

func (w *world) stopKeeper() {
	w.keeper.Process.Kill()
	w.keeper.Wait()
}

func (w *world) open() {
	w.t.Helper()
	h, err := Open(w.t.Context(), w.cfg, slog.New(slog.NewTextHandler(testWriter{w.t}, nil)))
	must(w.t, err)
	w.host = h
}

func (w *world) close() {
	if w.host != nil {
		must(w.t, w.host.Close())
		w.host = nil
	}
}

// testWriter sends the log of a host to that of the test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// checkClean destroys what runs, and looks for anything left behind.
func (w *world) checkClean() {
	if w.host == nil {
		return
	}
	for _, u := range w.host.State(vm.Name{}).Unikernels {
		if _, err := w.host.Destroy(context.Background(), u.Name); err != nil {
			w.t.Error(err)
		}
	}
	testutil.Eventually(w.t, 10*time.Second, w.leftovers)
}

// leftovers tells what is there although no unikernel is. What ends gives back
// its resources a moment after it is forgotten.
func (w *world) leftovers() error {
	var errs []error
	for _, p := range testutil.Children(w.keeper.Process.Pid) {
		errs = append(errs, fmt.Errorf("process %v is left", p))
	}
	for _, dir := range []string{w.cfg.Tmp.FIFOs(), filepath.Join(w.cfg.DB.Images(), "sha256"), filepath.Join(w.cfg.DB.Images(), "tmp")} {
		entries, err := os.ReadDir(dir)
		errs = append(errs, err)
		for _, e := range entries {
			errs = append(errs, fmt.Errorf("%s/%s is left", dir, e.Name()))
		}
	}
	records, err := w.host.store.Unikernels()
	if errs = append(errs, err); len(records) > 0 {
		errs = append(errs, fmt.Errorf("records are left: %v", records))
	}
	errs = append(errs, w.noGroups())
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	w.host.uids.mu.Lock()
	defer w.host.uids.mu.Unlock()
	if len(w.host.runs)+len(w.host.refs)+len(w.host.uids.used)+len(w.host.devices)+len(w.host.addresses.holders)+len(w.host.addresses.own) > 0 {
		errs = append(errs, fmt.Errorf("runs %v, image references %v, user ids %v, devices %v, addresses %v are left",
			w.host.runs, w.host.refs, w.host.uids.used, w.host.devices, w.host.addresses))
	}
	if use := w.host.tree.Use(vm.Path{}); use.Unikernels > 0 || use.Memory > 0 {
		errs = append(errs, fmt.Errorf("%+v is still reserved", use))
	}
	return errors.Join(errs...)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseName(s)
	must(t, err)
	return n
}

// config is a unikernel with the given arguments.
func config(argv ...string) vm.Config {
	return vm.Config{Arguments: vm.Arguments{CPUs: vm.MakeSet(0), Memory: 16, Argv: argv, NumCPUs: 1}}
}

// create creates a unikernel from a built-in guest.
func (w *world) create(n, guestName string, cfg vm.Config, force bool) error {
	w.t.Helper()
	b, err := guest.Image("spt", guestName)
	must(w.t, err)
	return w.createImage(n, b, cfg, force)
}

func (w *world) createImage(n string, b []byte, cfg vm.Config, force bool) error {
	w.t.Helper()
	st, err := w.host.Stage(w.t.Context(), bytes.NewReader(b), int64(len(b)), false)
	if err != nil {
		return err
	}
	defer st.Discard()
	return w.host.Create(w.t.Context(), name(w.t, n), cfg, st, Order{Force: force})
}

// state returns what is told of a unikernel that exists.
func (w *world) state(n string) api.Unikernel {
	w.t.Helper()
	s := w.host.State(name(w.t, n))
	if len(s.Unikernels) != 1 {
		w.t.Fatalf("%s: state is %+v", n, s)
	}
	return s.Unikernels[0]
}

// gone waits until a unikernel has ended and is forgotten, and returns how.
func (w *world) gone(n string) api.Ended {
	w.t.Helper()
	var ended api.Ended
	testutil.Eventually(w.t, 10*time.Second, func() error {
		s := w.host.State(name(w.t, n))
		if len(s.Unikernels) > 0 || len(s.Ended) == 0 {
			return fmt.Errorf("state is %+v", s)
		}
		ended = s.Ended[0]
		return nil
	})
	return ended
}

func wantCode(t *testing.T, err error, code api.Code, words string) {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code != code || !strings.Contains(e.Sentence+" "+e.Hint, words) {
		t.Errorf("error is %v, want code %q and %q in it", err, code, words)
	}
}

func TestCreateDestroy(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a.b.tick", "ticker", config(), false))
	s := w.state("a.b.tick")
	if s.Phase != api.PhaseRunning || s.PID == 0 || s.Target != "spt" {
		t.Errorf("state is %+v", s)
	}
	if os.Geteuid() == 0 && s.UID < uidBase {
		t.Errorf("it runs as user %d", s.UID)
	}
	wantCode(t, w.create("a.b.tick", "ticker", config(), false), api.Exists, "exists")
	if _, err := w.host.Destroy(t.Context(), name(t, "a.b.tick")); err != nil {
		t.Error(err)
	}
	_, err := w.host.Destroy(t.Context(), name(t, "a.b.tick"))
	wantCode(t, err, api.NotFound, "no unikernel")
}

func TestExitIsRemembered(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("three", "exit", config("3"), false))
	if e := w.gone("three"); e.Exit != (vm.Exit{Code: 3}) || e.Reason == "" {
		t.Errorf("ended is %+v", e)
	}
	must(t, w.create("crash", "crash", config("null"), false))
	if e := w.gone("crash"); e.Exit.Signal != 11 {
		t.Errorf("ended is %+v", e)
	}
}

func TestRestartsAfterFailure(t *testing.T) {
	w := newWorld(t)
	cfg := config("3")
	cfg.Fail = vm.Fail{Mode: vm.FailRestart}
	must(t, w.create("loop", "exit", cfg, false))
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("loop"); s.Restarts < 1 || s.Phase != api.PhaseWaiting {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
	s := w.state("loop")
	if s.LastExit == nil || s.LastExit.Exit.Code != 3 || s.Next.IsZero() {
		t.Errorf("state is %+v", s)
	}
	was, err := w.host.Destroy(t.Context(), name(t, "loop"))
	if err != nil || was.String() != "waiting" {
		t.Errorf("destroyed while %v, %v", was, err)
	}
}

func TestAddedNameIsDroppedIfRefused(t *testing.T) {
	w := newWorld(t)
	cfg := config("--refuse-name", "5")
	cfg.AddName = true
	must(t, w.create("named", "exit", cfg, false))
	if e := w.gone("named"); e.Exit.Code != 5 {
		t.Errorf("ended is %+v, want exit code 5 of the second start", e)
	}
}

func TestForceReplacesOrPutsBack(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config("--interval=7"), false))
	before := w.state("a")
	must(t, w.create("a", "ticker", config("--interval=8"), true))
	after := w.state("a")
	if after.PID == before.PID || !slices.Equal(after.Info.Argv, []string{"--interval=8"}) {
		t.Errorf("replaced %+v by %+v", before, after)
	}
	// An image that is refused leaves the old one running untouched.
	if err := w.createImage("a", []byte("no image"), config(), true); err == nil {
		t.Error("a bad image was accepted")
	}
	if s := w.state("a"); s.PID != after.PID {
		t.Errorf("a refused replacement touched the old one: %+v", s)
	}
	// One that cannot start is found out only after the old one was stopped.
	must(t, w.host.store.Close())
	err := w.create("a", "ticker", config("--interval=9"), true)
	if s := w.state("a"); s.Phase != api.PhaseRunning || !slices.Equal(s.Info.Argv, []string{"--interval=8"}) {
		t.Errorf("the old one was not put back: %+v", s)
	}
	if err == nil || !strings.Contains(err.Error(), "runs again") {
		t.Errorf("the error %v does not say that the old one runs again", err)
	}
	pids := testutil.Children(w.keeper.Process.Pid)
	if len(pids) != 1 {
		t.Errorf("processes %v run, want one", pids)
	}
	reopened, err := store.Open(w.cfg.DB.State())
	must(t, err)
	w.host.store = reopened
}

func TestRestartTakesNewArguments(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	args := config("--interval=5").Arguments
	args.Memory = 24
	must(t, w.host.Restart(t.Context(), name(t, "a"), &args))
	if s := w.state("a"); s.Info.Memory != 24 || len(s.Info.Argv) != 1 {
		t.Errorf("state is %+v", s)
	}
	// The guest's memory ends where its process says, not only where we do.
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", w.state("a").PID))
	must(t, err)
	if end := fmt.Sprintf("-%08x ", 24<<20); !strings.Contains(string(maps), end) {
		t.Errorf("no mapping ends at 24 MB:\n%s", maps)
	}
	pid := w.state("a").PID
	args.Memory = 0
	wantCode(t, w.host.Restart(t.Context(), name(t, "a"), &args), api.Invalid, "memory")
	if s := w.state("a"); s.PID != pid {
		t.Error("a refused restart touched the unikernel")
	}
}

// TestSurvivesDaemon closes the host and opens another: what runs is not
// touched, what ended meanwhile is handled, what was never recorded is stopped.
func TestSurvivesDaemon(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("stays", "ticker", config(), false))
	must(t, w.create("ends", "ticker", config("--interval=1", "--count=400"), false))
	must(t, w.create("stray", "ticker", config(), false))
	before := w.state("stays")
	must(t, w.host.store.Delete(name(t, "stray"), nil))
	ends := w.state("ends")
	w.close()
	testutil.Eventually(t, 20*time.Second, func() error {
		if st, err := linux.ProcState(ends.PID); err == nil && st != 'Z' {
			return errors.New("it still runs")
		}
		return nil
	})
	w.open()
	if after := w.state("stays"); after.PID != before.PID || after.Phase != api.PhaseRunning {
		t.Errorf("it was %+v and is %+v", before, after)
	}
	if e := w.gone("ends"); e.Exit.Code != 0 || e.Exit.Signal != 0 {
		t.Errorf("ended is %+v", e)
	}
	if s := w.host.State(name(t, "stray")); len(s.Unikernels) > 0 {
		t.Errorf("the stray is known: %+v", s)
	}
	if running := testutil.Children(w.keeper.Process.Pid); len(running) != 1 {
		t.Errorf("processes %v run, want one", running)
	}
}

// TestKeeperDies loses the parent of all unikernels: none may go on without
// one, and all are started again under the next.
func TestKeeperDies(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	before := w.state("a")
	w.stopKeeper()
	testutil.Eventually(t, 10*time.Second, func() error {
		if st, err := linux.ProcState(before.PID); err == nil && st != 'Z' {
			return errors.New("it outlives its keeper")
		}
		return nil
	})
	w.startKeeper()
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("a"); s.Phase != api.PhaseRunning || s.PID == before.PID {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
}

func TestShutdownKeepsRecords(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	must(t, w.create("b", "ticker", config(), false))
	stopped, err := w.host.Shutdown(t.Context())
	if err != nil || stopped != 2 {
		t.Errorf("stopped %d, %v", stopped, err)
	}
	wantCode(t, w.create("c", "ticker", config(), false), api.Unavailable, "shut down")
	if running := testutil.Children(w.keeper.Process.Pid); len(running) != 0 {
		t.Errorf("processes %v run", running)
	}
	w.close()
	w.open()
	for _, n := range []string{"a", "b"} {
		testutil.Eventually(t, 10*time.Second, func() error {
			if s := w.state(n); s.Phase != api.PhaseRunning {
				return fmt.Errorf("state is %+v", s)
			}
			return nil
		})
	}
}

func TestSecondDaemonRefuses(t *testing.T) {
	w := newWorld(t)
	h, err := Open(t.Context(), w.cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		h.Close()
		t.Fatal("a second daemon opened the same directory")
	}
	if !strings.Contains(err.Error(), "another albatrossd") {
		t.Errorf("error is %v", err)
	}
}

func TestFiftyInParallel(t *testing.T) {
	w := newWorld(t)
	testutil.RequireTap(t)
	testutil.RequireRoot(t)
	testutil.AddBridge(t, "service", "10.0.42.1/24")
	testutil.NoLeakedFDs(t, os.Getpid())
	testutil.NoLeakedFDs(t, w.keeper.Process.Pid)
	const n = 50
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			cfg := config()
			cfg.Nets = []vm.Net{{Name: "service"}}
			cfg.Argv = []string{fmt.Sprintf("--ipv4=10.0.42.%d/24", i+2)}
			if err := w.create(fmt.Sprintf("web%d", i), "web", cfg, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s := w.host.State(vm.Name{}); len(s.Unikernels) != n {
		t.Errorf("%d unikernels run", len(s.Unikernels))
	}
	if taps := tapNames(t); len(taps) != n {
		t.Errorf("taps are %v", taps)
	}
	for i := range n {
		wg.Go(func() {
			if _, err := w.host.Destroy(t.Context(), name(t, fmt.Sprintf("web%d", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	testutil.Eventually(t, 10*time.Second, func() error {
		if taps := tapNames(t); len(taps) > 0 {
			return fmt.Errorf("taps %v are left", taps)
		}
		return nil
	})
}

func tapNames(t *testing.T) []string {
	t.Helper()
	interfaces, err := net.Interfaces()
	must(t, err)
	var taps []string
	for _, i := range interfaces {
		if strings.HasPrefix(i.Name, "vmmtap") {
			taps = append(taps, i.Name)
		}
	}
	return taps
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	withNet := func(netName, bridge string) vm.Config {
		cfg := config()
		cfg.Nets = []vm.Net{{Name: netName, Bridge: &bridge}}
		return cfg
	}
	withBlock := config()
	withBlock.Blocks = []vm.Block{{Name: "storage"}}
	bhyve := config()
	bhyve.Type = vm.Bhyve
	small := config()
	small.Memory = 1
	cpu := config()
	cpu.CPUs = vm.MakeSet(4711)
	long := config(strings.Repeat("x", vm.MaxArguments+1))
	for _, tt := range []struct {
		what, guest string
		cfg         vm.Config
		code        api.Code
		words       string
	}{
		{"no bridge", "web", withNet("service", "nowhere"), api.NotFound, "nowhere"},
		{"device not given", "web", config(), api.Manifest, "--net service"},
		{"device not known", "hello", withNet("service", "nowhere"), api.Manifest, "service"},
		{"no block device", "block", withBlock, api.NotFound, "storage"},
		{"bhyve", "hello", bhyve, api.Invalid, "bhyve"},
		{"too little memory", "hello", small, api.Resource, "--mem"},
		{"CPU that does not exist", "hello", cpu, api.Invalid, "4711"},
		{"arguments too long", "hello", long, api.Invalid, "8191"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			wantCode(t, w.create("bad", tt.guest, tt.cfg, false), tt.code, tt.words)
		})
	}
	wantCode(t, w.createImage("bad", []byte("#!/bin/sh"), config(), false), api.Image, "ELF")
	wantCode(t, w.createImage("bad", nil, config(), false), api.Image, "empty")
	wantCode(t, w.createImage("bad", make([]byte, 65<<20), config(), false), api.Resource, "64 MB")
}
