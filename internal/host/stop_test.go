package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

// stopSpec makes the test binary be a daemon that does one thing, and that is
// killed at one of the moments between two effects of it.
const stopSpec = "HOST_TEST_STOP"

// stopAt says when a daemon is killed. Its JSON is the value of stopSpec.
type stopAt struct {
	Config Config
	Doing  string // a key of doings
	At     int    // the number of the moment, from 1; 0: never
	Early  bool   // count from before the daemon takes over what runs
	Log    string // the file that gets a line for each moment passed
}

// serveStopped is the daemon. It exits with 0 if it did what it was to do, which
// then counts as acknowledged.
func serveStopped(text string) error {
	var spec stopAt
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	passed, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	armed, count := spec.Early, 0
	arm := func(on bool) {
		mu.Lock()
		defer mu.Unlock()
		armed = on
	}
	spec.Config.Steps = func(done string) {
		mu.Lock()
		defer mu.Unlock()
		if !armed {
			return
		}
		fmt.Fprintln(passed, done)
		if count++; count == spec.At {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	h, err := Open(context.Background(), spec.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	arm(true)
	err = doings[spec.Doing](context.Background(), h)
	arm(false)
	return errors.Join(err, h.Close())
}

// doings are the operations that are interrupted, by name.
var doings = map[string]func(ctx context.Context, h *Host) error{
	"create":       creating("new", "web", netConfig("--ipv4=10.77.0.3/24"), false),
	"create-block": creating("new", "block", blockConfig("spare"), false),
	"create-same":  creating("new", "ticker", config(), false), // as another unikernel's image
	"force-create": creating("old", "web", netConfig("--ipv4=10.77.0.4/24"), true),
	"restart":      func(ctx context.Context, h *Host) error { return h.Restart(ctx, label("old"), nil) },
	"restart-args": func(ctx context.Context, h *Host) error {
		a := netConfig("--ipv4=10.77.0.5/24").Arguments
		return h.Restart(ctx, label("old"), &a)
	},
	"destroy":        destroying("old"),
	"destroy-block":  destroying("device"), // one that has a block device
	"policy-add":     policing("new.", limit(3)),
	"policy-replace": policing("p.", limit(7)),
	"policy-remove":  func(ctx context.Context, h *Host) error { return h.RemovePolicy(ctx, label("p.").Path()) },
	"policy-pinned": func(ctx context.Context, h *Host) error {
		_, err := h.SetPolicy(ctx, label("new.").Path(), limit(2), Pinned)
		return err
	},
	"policy-afar": func(ctx context.Context, h *Host) error {
		release, err := h.Delegate(ctx, []pki.PathPolicy{{Path: label("far.").Path(), Policy: limit(2)}})
		if err != nil {
			return err
		}
		release()
		return nil
	},
	"pin":          func(_ context.Context, h *Host) error { return h.Pin(label("p.").Path(), true) },
	"block-create": func(ctx context.Context, h *Host) error { return h.AddBlock(ctx, label("made"), 2) },
	"block-set": func(ctx context.Context, h *Host) error {
		return h.SetBlock(ctx, label("data"), strings.NewReader(strings.Repeat("new", 300_000)), false)
	},
	"block-set-afar": func(ctx context.Context, h *Host) error {
		a, err := h.ExpectContent(pki.Digest{}, 1<<20, -1)
		if err != nil {
			return err
		}
		defer a.Close()
		st, err := a.Content(ctx, label("data"), strings.NewReader(strings.Repeat("afar", 200_000)), false)
		if err != nil {
			return err
		}
		return h.SetStagedBlock(ctx, label("data"), st)
	},
	"block-remove": func(ctx context.Context, h *Host) error { return h.RemoveBlock(ctx, label("data")) },
	"shutdown": func(ctx context.Context, h *Host) error {
		_, err := h.Shutdown(ctx)
		return err
	},
	"nothing": func(_ context.Context, h *Host) error { return settled(h) },
}

// label is a name that is known to be one.
func label(s string) vm.Name {
	n, err := vm.ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

func netConfig(argv ...string) vm.Config {
	cfg, bridge := config(argv...), "service"
	cfg.Nets = []vm.Net{{Name: "service", Bridge: &bridge}}
	return cfg
}

func blockConfig(device string) vm.Config {
	cfg := config("--sectors=1")
	cfg.Blocks = []vm.Block{{Name: "storage", Device: &device}}
	cfg.Fail = vm.Fail{Mode: vm.FailAlways}
	return cfg
}

func limit(unikernels int) vm.Policy {
	return vm.Policy{Unikernels: unikernels, Memory: 1000, CPUs: vm.MakeSet(0), Bridges: vm.MakeSet("service")}
}

func creating(n, guestName string, cfg vm.Config, force bool) func(context.Context, *Host) error {
	return func(ctx context.Context, h *Host) error {
		b, err := guest.Image("spt", guestName)
		if err != nil {
			return err
		}
		st, err := h.Stage(ctx, bytes.NewReader(b), int64(len(b)), false)
		if err != nil {
			return err
		}
		return errors.Join(h.Create(ctx, label(n), cfg, st, Order{Force: force}), st.Discard())
	}
}

func destroying(n string) func(context.Context, *Host) error {
	return func(ctx context.Context, h *Host) error {
		_, err := h.Destroy(ctx, label(n))
		return err
	}
}

func policing(path string, p vm.Policy) func(context.Context, *Host) error {
	return func(ctx context.Context, h *Host) error {
		_, err := h.SetPolicy(ctx, label(path).Path(), p, Here)
		return err
	}
}

// settled waits until what a daemon that was started has to do is done.
func settled(h *Host) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		busy := ""
		for _, u := range h.State(vm.Name{}).Unikernels {
			if u.Phase == api.PhaseStarting || u.Phase == api.PhaseStopping {
				busy = fmt.Sprintf("%s is %s", u.Name, u.Phase)
			}
		}
		if busy == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New(busy)
		}
		time.Sleep(time.Millisecond)
	}
}

// facts are what clients were told, or will be: all that must not be lost.
type facts struct {
	Unikernels map[string]string // by name; image and arguments
	Policies   map[string]string
	Blocks     map[string]string // by name; size and digest
}

func (w *world) facts() facts {
	w.t.Helper()
	f := facts{map[string]string{}, map[string]string{}, map[string]string{}}
	for _, u := range w.host.State(vm.Name{}).Unikernels {
		f.Unikernels[u.Name.String()] = fmt.Sprintf("image %x, arguments %q", u.Info.Digest, u.Info.Argv)
	}
	policies, err := w.host.Policies(vm.Path{})
	must(w.t, err)
	for _, e := range policies {
		if !e.Path.IsRoot() {
			f.Policies[e.Path.String()] = fmt.Sprintf("%d unikernels, pinned: %v", e.Policy.Unikernels, w.host.pins[e.Path])
		}
	}
	blocks, _, err := w.host.blocks.List()
	must(w.t, err)
	for _, d := range blocks {
		f.Blocks[d.Name.String()] = fmt.Sprintf("%d MB", d.Size)
		if d.Name == label("spare") {
			continue // unikernels write to it
		}
		file, err := os.Open(w.cfg.DB.Block(d.Name))
		must(w.t, err)
		sum := sha256.New()
		_, err = io.Copy(sum, file)
		must(w.t, errors.Join(err, file.Close()))
		f.Blocks[d.Name.String()] = fmt.Sprintf("%d MB, %x", d.Size, sum.Sum(nil))
	}
	return f
}

// prepared is a world with what a doing begins with, and a bystander.
func prepared(t *testing.T, doing string) *world {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.host.SetPolicy(t.Context(), label("p.").Path(), limit(5), Here)
	must(t, err)
	must(t, w.host.AddBlock(ctx, label("data"), 1))
	must(t, w.host.SetBlock(ctx, label("data"), strings.NewReader(strings.Repeat("old", 300_000)), false))
	must(t, w.host.AddBlock(ctx, label("spare"), 1))
	if doing == "destroy-block" { // it ends and is started all the time
		must(t, creating("device", "block", blockConfig("spare"), false)(ctx, w.host))
	}
	must(t, creating("old", "web", netConfig("--ipv4=10.77.0.2/24"), false)(ctx, w.host))
	must(t, creating("p.bystander", "ticker", config(), false)(ctx, w.host))
	return w
}

// interrupt has a daemon do something and kills it. It returns the moments that
// were passed, and whether what was to be done was acknowledged.
func (w *world) interrupt(spec stopAt) (passed []string, acknowledged bool) {
	w.t.Helper()
	spec.Config, spec.Log = w.cfg, filepath.Join(w.t.TempDir(), "passed")
	text, err := json.Marshal(spec)
	must(w.t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), stopSpec+"="+string(text))
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || spec.At == 0) {
		w.t.Fatalf("%s: %v: %s", spec.Doing, err, out)
	} else if ok && exit.Exited() {
		w.t.Fatalf("%s, killed at moment %d, failed instead: %s", spec.Doing, spec.At, out)
	}
	b, err := os.ReadFile(spec.Log)
	must(w.t, err)
	return strings.Fields(strings.ReplaceAll(strings.ReplaceAll(string(b), " ", "_"), "\n", " ")), cmd.ProcessState.Success()
}

// TestKilledBetweenEffects kills a daemon at every moment between two effects of
// everything it does, starts another one, and looks at what that has made of it:
// either all of the operation or nothing, all if it was acknowledged, and nothing
// left over.
func TestKilledBetweenEffects(t *testing.T) {
	testutil.RequireTap(t)
	testutil.AddBridge(t, "service", "10.77.0.1/24")
	passed, done := map[string]bool{}, 0
	for _, doing := range slices.Sorted(maps.Keys(doings)) {
		if doing == "nothing" {
			continue
		}
		t.Run(doing, func(t *testing.T) {
			killedAtEach(t, doing, nil, passed)
			done++
		})
	}
	if done < len(doings)-1 {
		return // they were not all to be run, or one has failed
	}
	for m := range passed { // control groups need root, and a kernel that has them
		if strings.HasPrefix(m, "control_group") {
			delete(passed, m)
		}
	}
	if d := cmp.Diff(moments, slices.Sorted(maps.Keys(passed))); d != "" {
		t.Errorf("other moments were passed than there should be: %s", d)
	}
}

// moments are all between two effects of the operations, so that none is lost
// from sight.
var moments = []string{
	"FIFO_made", "FIFO_removed", "block_content_synced", "block_content_written", "block_device_locked",
	"block_directory_synced", "block_file_linked", "block_file_made", "block_file_removed", "block_file_renamed",
	"block_file_synced", "end_written", "guest_runs",
	"image_directory_synced", "image_file_made", "image_removed", "image_renamed", "image_synced", "image_written",
	"old_FIFO_removed", "pin_written", "policy_deleted", "policy_written", "process_ended", "process_forgotten",
	"process_signalled", "process_started", "record_deleted", "record_written", "tap_made",
}

// TestLongKilledTwice kills the daemon that finds half a replacement as well, at
// every moment of its own.
func TestLongKilledTwice(t *testing.T) {
	if os.Getenv("ALBATROSS_LONG") == "" {
		t.Skip("ALBATROSS_LONG is not set")
	}
	testutil.RequireTap(t)
	testutil.AddBridge(t, "service", "10.77.0.1/24")
	for _, doing := range []string{"force-create", "create", "destroy", "restart"} {
		t.Run(doing, func(t *testing.T) {
			killedAtEach(t, doing, func(w *world, again int) (more bool) {
				passed, whole := w.interrupt(stopAt{Doing: "nothing", At: again, Early: true})
				return !whole && len(passed) == again
			}, map[string]bool{})
		})
	}
}

// killedAtEach kills a daemon at each moment of doing, then, if there is one, has
// second kill the next daemon at each of its moments.
func killedAtEach(t *testing.T, doing string, second func(w *world, again int) (more bool), seen map[string]bool) {
	var before, after facts
	var moments []string
	t.Run("undisturbed", func(t *testing.T) {
		w := prepared(t, doing)
		before = w.facts()
		w.close()
		moments, _ = w.interrupt(stopAt{Doing: doing})
		w.open()
		must(t, settled(w.host))
		after = w.facts()
	})
	t.Logf("%d moments: %s", len(moments), strings.Join(moments, ", "))
	if len(moments) == 0 {
		t.Fatal("there is no moment between effects")
	}
	for _, m := range moments {
		seen[m] = true
	}
	for at := 1; at <= len(moments); at++ {
		for again := 1; ; again++ {
			more := false
			t.Run(fmt.Sprintf("%d-%s/%d", at, moments[at-1], again), func(t *testing.T) {
				w := prepared(t, doing)
				bystander := w.state("p.bystander").PID
				w.close()
				_, acknowledged := w.interrupt(stopAt{Doing: doing, At: at})
				if second != nil {
					more = second(w, again)
				}
				w.open()
				w.judge(doing, before, after, acknowledged)
				if doing != "shutdown" && w.state("p.bystander").PID != bystander {
					t.Error("the bystander was touched")
				}
			})
			if !more {
				break
			}
		}
	}
}

// judge looks at what a daemon has made of an operation that was interrupted.
func (w *world) judge(doing string, before, after facts, acknowledged bool) {
	w.t.Helper()
	must(w.t, settled(w.host))
	now := w.facts()
	done := cmp.Equal(now, after)
	switch {
	case acknowledged && !done:
		w.t.Errorf("it was acknowledged, but: %s", cmp.Diff(after, now))
	case !done && !cmp.Equal(now, before):
		w.t.Errorf("it is half done: %s\n%s", cmp.Diff(before, now), cmp.Diff(after, now))
	}
	testutil.Eventually(w.t, 10*time.Second, w.nothingElse)
	check, err := w.host.Check(w.t.Context())
	must(w.t, err)
	if len(check.Findings) > 0 {
		w.t.Errorf("a check finds %+v", check.Findings)
	}
	// What was interrupted can be done now; or it was, and is refused.
	err = doings[doing](w.t.Context(), w.host)
	if err != nil && !refusedAsDone(err) {
		w.t.Errorf("done again: %v", err)
	}
	if doing == "shutdown" {
		w.close()
		w.open()
		must(w.t, settled(w.host))
	}
	if d := cmp.Diff(after, w.facts()); d != "" {
		w.t.Errorf("done again it leads to something else: %s", d)
	}
	testutil.Eventually(w.t, 10*time.Second, w.nothingElse)
}

// refusedAsDone reports whether an operation was refused because it has been done
// before: at once, or by a daemon that finishes what was begun.
func refusedAsDone(err error) bool {
	e, ok := errors.AsType[*api.Error](err)
	return ok && (e.Code == api.Exists || e.Code == api.NotFound)
}

// nothingElse says what is there that no unikernel needs, or is not there that
// one needs.
func (w *world) nothingElse() error {
	var errs []error
	same := func(what string, have, want []string) {
		slices.Sort(have)
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(have, want) {
			errs = append(errs, fmt.Errorf("%s: there are %q, should be %q", what, have, want))
		}
	}
	var processes, fifos, images, taps, runs []string
	for _, u := range w.host.allUnits() {
		w.host.mu.Lock()
		images = append(images, u.record.Image.String())
		if u.run != nil {
			processes = append(processes, fmt.Sprint(u.run.process.PID))
			fifos = append(fifos, u.record.Name.FileName())
			runs = append(runs, u.run.id)
			for _, tap := range u.run.taps {
				taps = append(taps, tap.Tap)
			}
		}
		w.host.mu.Unlock()
	}
	same("processes", childrenOf(w.keeper.Process.Pid), processes)
	same("runs", w.listed(), runs)
	same("FIFOs", entries(w.cfg.Tmp.FIFOs()), fifos)
	same("images", entries(filepath.Join(w.cfg.DB.Images(), "sha256")), images)
	same("images that arrive", entries(filepath.Join(w.cfg.DB.Images(), "tmp")), nil)
	same("block devices that are made", entries(filepath.Join(w.cfg.DB.Blocks(), ".tmp")), nil)
	same("taps", interfaces(), taps)
	return errors.Join(errs...)
}

// listed returns the ids of what the keeper has.
func (w *world) listed() []string {
	c, err := w.host.keeper.get()
	must(w.t, err)
	all, err := c.List(w.t.Context())
	must(w.t, err)
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	return ids
}

func childrenOf(pid int) []string {
	var pids []string
	for _, p := range testutil.Children(pid) {
		pids = append(pids, fmt.Sprint(p.PID))
	}
	return pids
}

func entries(dir string) []string {
	found, _ := os.ReadDir(dir)
	names := make([]string, len(found))
	for i, e := range found {
		names[i] = e.Name()
	}
	return names
}

// interfaces returns those of this namespace that are taps of unikernels.
func interfaces() []string {
	all, _ := net.Interfaces()
	var taps []string
	for _, i := range all {
		if i.Name != "lo" && i.Name != "service" {
			taps = append(taps, i.Name)
		}
	}
	return taps
}
