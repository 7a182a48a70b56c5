package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// TestFullDisk asks for what does not fit on the disk: images, the content of
// block devices, records. Each time there is one sentence, what was acknowledged
// stays, nothing half is left, and once there is space again all works.
func TestFullDisk(t *testing.T) {
	const mb = 96 // albatrossd keeps 64 of them free of images
	w := newWorldOnDisk(t, mb)
	ticker := imageFile(t, "spt", "ticker")
	w.ok("create", "tick", ticker, "--", "--interval=3600000")
	old, content := noise(t, 16, 1)
	w.ok("create-block", "data", "16", "--data", old)

	t.Run("image", func(t *testing.T) { w.on(t).imageDoesNotFit() })
	t.Run("content", func(t *testing.T) { w.on(t).contentDoesNotFit(content) })
	t.Run("records", func(t *testing.T) { w.on(t).recordsDoNotFit() })
	w.unfill()
	w.ok("create", "late", ticker)
	fresh, content := noise(t, 16, 2)
	w.ok("set-block", "data", fresh)
	w.wantBlock("data", content)
	w.ok("add-policy", "late", "--unikernels", "1", "--bridge", strings.Repeat("x", 1000))
	w.ok("destroy", "tick", "late")
}

// on returns w for a subtest.
func (w *world) on(t *testing.T) *world { return &world{t: t, dir: w.dir, bin: w.bin} }

// imageDoesNotFit creates unikernels from images that are too large from the start
// and ones for which space runs out while they arrive.
func (w *world) imageDoesNotFit() {
	large := imageFile(w.t, "spt", "ticker")
	must(w.t, os.Truncate(large, 48<<20))
	before := w.wantUnchanged()
	wantClear(w.t, w.run("create", "large", large), "image")
	before(w)
	w.fill(70 << 20)
	err := w.createWhile("late", large, 4<<20, func() { w.fill(0) })
	if e := api.AsError(err); err == nil || e.Code != api.Resource || !strings.Contains(e.Sentence, "space") {
		w.t.Errorf("an image for which space runs out: %v", err)
	}
	before(w)
	wantClear(w.t, w.run("create", "small", imageFile(w.t, "spt", "ticker")), "image")
	wantClear(w.t, w.run("create", "-f", "tick", imageFile(w.t, "spt", "ticker")), "image")
	before(w)
}

// createWhile creates a unikernel from so many bytes of a file, and does something
// when half of them are sent.
func (w *world) createWhile(name, file string, size int64, midway func()) error {
	f, err := os.Open(file)
	must(w.t, err)
	defer f.Close()
	n, err := vm.ParseName(name)
	must(w.t, err)
	half := io.LimitReader(f, size/2)
	_, err = w.client().Create(w.t.Context(), client.Creation{
		Name: n, Size: size, Image: io.MultiReader(half, &doing{what: midway}, io.LimitReader(f, size/2)),
		Config: vm.Config{Arguments: vm.Arguments{CPUs: vm.MakeSet(0), NumCPUs: 1, Memory: 32}},
	})
	return err
}

// doing is an empty reader that does something when it is read.
type doing struct{ what func() }

func (d *doing) Read([]byte) (int, error) {
	d.what()
	return 0, io.EOF
}

// contentDoesNotFit sets a block device: what it holds needs its space until what
// it is to hold has all come.
func (w *world) contentDoesNotFit(content []byte) {
	fresh, _ := noise(w.t, 16, 3)
	w.fill(8 << 20)
	before := w.wantUnchanged()
	wantClear(w.t, w.run("set-block", "data", fresh), "block device data")
	w.wantBlock("data", content)
	wantClear(w.t, w.run("create-block", "other", "16", "--data", fresh), "block device other")
	before(w)
	w.fill(0)
	wantClear(w.t, w.run("set-block", "data", fresh), "block device data")
	w.wantBlock("data", content)
	before(w)
}

// recordsDoNotFit changes policies and unikernels where there is hardly space for
// another record, and starts albatrossd again.
func (w *world) recordsDoNotFit() {
	w.fill(0)
	var set []string
	refused := 0
	for i := range 30 {
		path, bridge := fmt.Sprintf("shop%02d", i), strings.Repeat("x", 1+i*397%1500) // a bridge that no host has
		r := w.run("add-policy", path, "--unikernels", "1", "--bridge", bridge)
		if r.code == 0 {
			set = append(set, path)
			continue
		}
		if refused++; refused == 1 {
			wantClear(w.t, r, "space")
		}
	}
	if refused == 0 || len(set) == 0 {
		w.t.Fatalf("%d policies were refused, and %d acknowledged", refused, len(set))
	}
	arguments := w.state("tick").Unikernels[0].Arguments
	many := append([]string{"restart", "tick", "--replace-arguments", "--"}, slices.Repeat([]string{"--interval=3600000"}, 400)...)
	wantClear(w.t, w.run(many...), "space")
	for _, sig := range []syscall.Signal{0, syscall.SIGKILL, syscall.SIGTERM} {
		if sig != 0 {
			pid := w.pid("tick")
			w.killAndAwait("albatrossd", sig)
			if after := w.pid("tick"); after != pid {
				w.t.Errorf("the unikernel was process %d and is %d", pid, after)
			}
		}
		testutil.Eventually(w.t, patience, func() error {
			if s := w.state(); len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" || !slices.Equal(s.Unikernels[0].Arguments, arguments) {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
		if got := w.policyPaths(); !slices.Equal(got, set) {
			w.t.Errorf("there are policies of %v; acknowledged were those of %v", got, set)
		}
	}
	for _, path := range set {
		w.ok("remove-policy", path)
	}
}

// policyPaths returns the paths that have policies, but for the root.
func (w *world) policyPaths() []string {
	w.t.Helper()
	all, err := w.client().Policies(w.t.Context(), vm.Path{})
	must(w.t, err)
	var paths []string
	for _, p := range all {
		if path := p.Name.Path(); !path.IsRoot() {
			paths = append(paths, path.String())
		}
	}
	return paths
}

// wantUnchanged returns what says whether anything has changed since: files of
// albatrossd and what it tells.
func (w *world) wantUnchanged() (check func(*world)) {
	w.t.Helper()
	before := w.look()
	return func(w *world) {
		w.t.Helper()
		testutil.Eventually(w.t, patience, func() error { // what a refusal used goes after the answer
			if now := w.look(); now != before {
				return fmt.Errorf("there was\n%s\nand is\n%s", before, now)
			}
			return nil
		})
	}
}

// look returns what there is, but the content of files.
func (w *world) look() string {
	w.t.Helper()
	var all strings.Builder
	for _, u := range w.state().Unikernels {
		fmt.Fprintf(&all, "%+v\n", u)
	}
	for _, command := range []string{"block", "policy"} {
		all.WriteString(w.ok(command))
	}
	for _, dir := range []string{"images/tmp", "images/sha256", "block/.tmp", "block"} {
		entries, err := os.ReadDir(filepath.Join(w.db(), dir))
		must(w.t, err)
		fmt.Fprintf(&all, "%s: %v\n", dir, entries)
	}
	return all.String()
}

// wantClear wants a refusal that an operator can act on: no names of files that
// come and go, and nothing said twice.
func wantClear(t testing.TB, r result, words string) {
	t.Helper()
	wantRefusal(t, r, words)
	if !strings.Contains(r.stderr, "space") || strings.Contains(r.stderr, "/.tmp/") || strings.Contains(r.stderr, "no space left on device") {
		t.Errorf("this could be said more clearly: %s", r.stderr)
	}
}

// newWorldOnDisk starts daemons whose records, images and block devices are on a
// small disk of their own.
func newWorldOnDisk(t *testing.T, mb int) *world {
	t.Helper()
	testutil.RequireRoot(t)
	w := &world{t: t, dir: testutil.TempDirShort(t)}
	must(t, os.Mkdir(w.db(), 0o700))
	must(t, syscall.Mount("albatross-e2e", w.db(), "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mb)))
	t.Cleanup(func() {
		if err := syscall.Unmount(w.db(), syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", w.db(), err)
		}
	})
	w.up()
	return w
}

func (w *world) db() string { return filepath.Join(w.dir, "db") }

// fill leaves so many bytes free on the disk of w. It replaces what it did before.
func (w *world) fill(leave int) {
	w.t.Helper()
	w.unfill()
	f, err := os.Create(filepath.Join(w.db(), "filler"))
	must(w.t, err)
	defer f.Close()
	size, page := 0, make([]byte, 4096)
	for err == nil {
		var n int
		n, err = f.Write(page)
		size += n
	}
	if !errors.Is(err, syscall.ENOSPC) {
		w.t.Fatal(err)
	}
	must(w.t, f.Truncate(int64(max(0, size-leave))))
}

// unfill gives back what fill took.
func (w *world) unfill() {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.db(), "filler")); err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
}

// noise writes a file of random bytes.
func noise(t testing.TB, mb int, seed uint64) (path string, content []byte) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	content = make([]byte, mb<<20)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	path = filepath.Join(t.TempDir(), "noise")
	must(t, os.WriteFile(path, content, 0o600))
	return path, content
}

// wantBlock wants a block device to hold something.
func (w *world) wantBlock(name string, content []byte) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "dump")
	w.ok("dump-block", name, "-o", path)
	got, err := os.ReadFile(path)
	must(w.t, err)
	if !bytes.Equal(got, content) {
		w.t.Errorf("block device %s holds something else than what was set last", name)
	}
}
