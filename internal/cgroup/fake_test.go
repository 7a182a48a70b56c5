package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeKernel stands for one that has the memory controller in v2: it makes the
// files that such a kernel makes in each new group, with what they have at first.
// What the kernel does with what is written there is not to be seen.
type fakeKernel struct {
	t   *testing.T
	top string
}

var newGroup = map[string]string{
	"cgroup.controllers":     "cpu memory pids\n",
	"cgroup.subtree_control": "",
	"cgroup.kill":            "",
	"cgroup.procs":           "",
	"cpu.stat":               "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
	"memory.max":             "max\n",
	"memory.current":         "4096\n",
	"memory.events":          "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
}

func newFakeKernel(t *testing.T) *fakeKernel {
	k := &fakeKernel{t, filepath.Join(t.TempDir(), "cgroup")}
	must(t, k.mkdir(k.top))
	return k
}

func (k *fakeKernel) mkdir(dir string) error {
	if err := mkdir(dir); err != nil {
		return err
	}
	for name, content := range newGroup {
		must(k.t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return nil
}

func (k *fakeKernel) rmdir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			return syscall.EBUSY
		}
	}
	return os.RemoveAll(dir)
}

// open opens a root in the fake hierarchy.
func (k *fakeKernel) open(root string) (*Root, error) {
	r := &Root{mkdir: k.mkdir, rmdir: k.rmdir}
	m := machine{"30 23 0:26 / " + k.top + " rw - cgroup2 cgroup2 rw\n", "6.1", controllers}
	return r, r.open(m, root, "one")
}

func (k *fakeKernel) read(path ...string) string {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{k.top}, path...)...))
	must(k.t, err)
	return string(b)
}

func (k *fakeKernel) set(content string, path ...string) {
	k.t.Helper()
	must(k.t, os.WriteFile(filepath.Join(append([]string{k.top}, path...)...), []byte(content), 0o644))
}

// TestV2HandsMemoryDown looks at what is written where v2 has all controllers.
func TestV2HandsMemoryDown(t *testing.T) {
	k := newFakeKernel(t)
	r, err := k.open("sub/albatross")
	must(t, err)
	for _, dir := range []string{"", "sub", "sub/albatross", "sub/albatross/one"} {
		if got := k.read(dir, "cgroup.subtree_control"); got != "+memory" {
			t.Errorf("%q was written to the subtree control of %q", got, dir)
		}
	}
	g, err := r.Create("a.b", Limits{Memory: 48 << 20})
	must(t, err)
	defer g.Close()
	const dir = "sub/albatross/one/a.b"
	if got := k.read(dir, "memory.max"); !strings.HasPrefix(got, "50331648") {
		t.Errorf("memory.max is %q", got)
	}
	if got := k.read(dir, "cgroup.subtree_control"); got != "" {
		t.Errorf("%q was written to the subtree control of a unikernel's group", got)
	}
	if fd, ok := g.Inside(); !ok || fd < 0 || len(g.Tasks()) > 0 {
		t.Errorf("descriptors are %d, %t and %v", fd, ok, g.Tasks())
	}
	if r.Limits() != nil {
		t.Errorf("no limits: %v", r.Limits())
	}
	must(t, r.Remove("a.b"))
	must(t, r.Close())
	if _, err := os.Stat(filepath.Join(k.top, "sub/albatross")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the root is left: %v", err)
	}
	k.read("sub", "cgroup.procs") // not ours to remove
}

// TestV2DoesNotAskTwice finds a tree that has the controller.
func TestV2DoesNotAskTwice(t *testing.T) {
	k := newFakeKernel(t)
	k.set("cpu memory\n", "cgroup.subtree_control")
	_, err := k.open("albatross")
	must(t, err)
	if got := k.read("cgroup.subtree_control"); got != "cpu memory\n" {
		t.Errorf("%q was written to the top", got)
	}
}

// TestV2WithoutTheRightToHandDown goes on without limits. A directory stands for
// a file that cannot be written.
func TestV2WithoutTheRightToHandDown(t *testing.T) {
	k := newFakeKernel(t)
	path := filepath.Join(k.top, "cgroup.subtree_control")
	must(t, os.Remove(path))
	must(t, os.Mkdir(path, 0o755))
	r, err := k.open("albatross")
	must(t, err)
	if r.Limits() == nil {
		t.Error("nothing says that there are no limits")
	}
	g, err := r.Create("a", Limits{Memory: 1 << 20})
	must(t, err)
	must(t, g.Close())
	if got := k.read("albatross/one/a/memory.max"); got != "max\n" {
		t.Errorf("memory.max is %q", got)
	}
}

func TestV2Counters(t *testing.T) {
	k := newFakeKernel(t)
	r, err := k.open("albatross")
	must(t, err)
	g, err := r.Create("a", Limits{})
	must(t, err)
	must(t, g.Close())
	u, err := r.Usage("a")
	must(t, err)
	if u != (Usage{CPU: 1500e6, Memory: 4096}) {
		t.Errorf("usage is %+v", u)
	}
	for _, tt := range []struct {
		events string
		want   Lack
	}{
		{newGroup["memory.events"], Lack{}},
		{"low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n", Lack{1, true}},
		{"low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n", Lack{1, false}},
	} {
		k.set(tt.events, "albatross/one/a/memory.events")
		got, err := r.Lack("a")
		must(t, err)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.events, diff)
		}
	}
	must(t, r.Kill("a"))
	if got := k.read("albatross/one/a/cgroup.kill"); got != "1" {
		t.Errorf("%q was written to cgroup.kill", got)
	}
}

// TestTidiedUp creates a group after someone has removed the empty directories.
func TestTidiedUp(t *testing.T) {
	k := newFakeKernel(t)
	r, err := k.open("albatross")
	must(t, err)
	must(t, r.Close())
	g, err := r.Create("a", Limits{Memory: 1 << 20})
	must(t, err)
	must(t, g.Close())
	if got := k.read("albatross/cgroup.subtree_control"); got != "+memory" {
		t.Errorf("%q was written to the subtree control", got)
	}
	if _, err := r.Create("a", Limits{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("the same id again: %v", err)
	}
	if ids, err := r.List(); err != nil || len(ids) != 1 {
		t.Errorf("groups are %v, %v: a failed creation has removed one of another", ids, err)
	}
}

// TestFailedCreationLeavesNothing has a limit that cannot be set.
func TestFailedCreationLeavesNothing(t *testing.T) {
	k := newFakeKernel(t)
	r, err := k.open("albatross")
	must(t, err)
	r.mkdir = func(dir string) error { // a kernel without memory.max
		return errors.Join(k.mkdir(dir), os.Remove(filepath.Join(dir, "memory.max")))
	}
	if _, err := r.Create("a", Limits{Memory: 1 << 20}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if ids, err := r.List(); err != nil || len(ids) > 0 {
		t.Errorf("groups are %v, %v", ids, err)
	}
}

func TestBadNames(t *testing.T) {
	k := newFakeKernel(t)
	for _, root := range []string{"", ".", "..", "../x", "/x", "a/../.."} {
		if _, err := k.open(root); err == nil {
			t.Errorf("the root %q was accepted", root)
		}
	}
	r, err := k.open("albatross")
	must(t, err)
	for _, id := range []string{"", ".", "..", "a/b", "../one", "a\nb"} {
		_, err := r.Create(id, Limits{})
		_, lack := r.Lack(id)
		if err == nil || lack == nil || r.Remove(id) == nil || r.Kill(id) == nil {
			t.Errorf("the id %q was accepted", id)
		}
	}
}
