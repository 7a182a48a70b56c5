package keeper

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/internal/cgroup"
	"albatross/internal/testutil"
)

// groups is a root of control groups for one test, and a keeper.
type groups struct {
	t    *testing.T
	root *cgroup.Root
	c    *Client
	e    *exits
	pid  int // of the keeper
}

func newGroups(t *testing.T) *groups {
	t.Helper()
	testutil.RequireRoot(t)
	root, err := cgroup.Open("albatross", "keeper-test-"+strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		ids, err := root.List()
		must(t, err)
		for _, id := range ids {
			must(t, root.Kill(id))
			testutil.Eventually(t, 10*time.Second, func() error { return root.Remove(id) })
		}
		must(t, root.Close())
	})
	path, pid := startKeeper(t)
	c, e := dial(t, path)
	must(t, c.Watch(t.Context()))
	got, err := c.PID()
	must(t, err)
	if got != pid {
		t.Errorf("the keeper is process %d, not %d", got, pid)
	}
	home := homes(t, pid)
	t.Cleanup(func() { // before the keeper is ended
		for where := range homes(t, pid) {
			if !home[where] {
				t.Errorf("a thread of the keeper is in\n%s", where)
			}
		}
	})
	testutil.NoLeakedFDs(t, pid)
	return &groups{t, root, c, e, pid}
}

// homes returns the control groups that the threads of a process are in.
func homes(t *testing.T, pid int) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/cgroup", pid))
	must(t, err)
	all := map[string]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		all[string(b)] = true
	}
	return all
}

// request is what a test asks the keeper for, and may change before it does.
type groupRequest struct {
	spawn  Spawn
	inside []int
	enter  []int
	home   []int
}

// spawn has a shell run script in a new group, after change has had its way with
// the request. It returns the console.
func (g *groups) spawn(id, script string, change func(*groupRequest)) (*os.File, error) {
	g.t.Helper()
	group, err := g.root.Create(id, cgroup.Limits{})
	must(g.t, err)
	defer group.Close()
	home, err := g.root.Home(g.pid)
	must(g.t, err)
	defer home.Close()
	sh, err := os.Open("/bin/sh")
	must(g.t, err)
	defer sh.Close()
	r, w, err := os.Pipe()
	must(g.t, err)
	defer w.Close()
	g.t.Cleanup(func() { r.Close() })
	req := &groupRequest{enter: group.Tasks(), home: home.Tasks()}
	req.spawn = Spawn{ID: id, Name: id, Argv: [][]byte{[]byte("sh"), []byte("-c"), []byte(script)}, Cgroup1: len(req.enter)}
	if fd, ok := group.Inside(); ok {
		req.spawn.Cgroup2, req.inside = true, []int{fd}
	}
	if change != nil {
		change(req)
	}
	fds := []int{int(r.Fd()), int(w.Fd()), int(w.Fd()), int(sh.Fd())}
	fds = append(append(append(fds, req.inside...), req.enter...), req.home...)
	_, err = g.c.Spawn(g.t.Context(), req.spawn, fds)
	return r, err
}

// end waits until the process of a group has ended, and removes the group.
func (g *groups) end(id string) {
	g.t.Helper()
	must(g.t, g.c.Forget(g.t.Context(), id))
	testutil.Eventually(g.t, 10*time.Second, func() error { return g.root.Remove(id) })
}

// TestBornInGroups asks the children where they are, many at a time.
func TestBornInGroups(t *testing.T) {
	g := newGroups(t)
	const script = "cat /proc/self/cgroup; ls -m /proc/$$/fd"
	var wg sync.WaitGroup
	consoles := make([]*os.File, 30)
	for i := range consoles {
		wg.Go(func() {
			var err error
			if consoles[i], err = g.spawn(fmt.Sprint("g", i), script, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	used := strings.Count(g.root.String(), " at ")
	for range consoles {
		g.e.next(t)
	}
	for i, console := range consoles {
		id := fmt.Sprint("g", i)
		g.end(id)
		out, err := io.ReadAll(console)
		must(t, err)
		if n := strings.Count(string(out), "/"+id+"\n"); n != used {
			t.Errorf("%s is in its group in %d of %d hierarchies:\n%s", id, n, used, out)
		}
		if !strings.HasSuffix(string(out), "\n0, 1, 2, 3\n") {
			t.Errorf("%s does not have the 4 descriptors it was given:\n%s", id, out)
		}
	}
}

// TestNotInGroups has a group that cannot be entered: the child is not started,
// and the next one is.
func TestNotInGroups(t *testing.T) {
	g := newGroups(t)
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	bad := int(null.Fd()) // a file, but not for writing
	for _, tt := range []struct {
		name   string
		v1     bool // only where v1 is used
		change func(*groupRequest)
		want   string
	}{
		{"v2", false, func(r *groupRequest) { r.spawn.Cgroup2, r.inside = true, []int{bad} }, "bad file descriptor"},
		{"first of v1", false, func(r *groupRequest) {
			r.spawn.Cgroup1, r.enter, r.home = len(r.enter)+1, append([]int{bad}, r.enter...), append(r.home, r.home...)
			for len(r.home) < len(r.enter) {
				r.home = append(r.home, r.enter[0])
			}
			r.home = r.home[:len(r.enter)]
		}, "entering a control group"},
		{"last of v1", true, func(r *groupRequest) {
			r.enter = append(r.enter, bad)
			r.spawn.Cgroup1, r.home = len(r.enter), append(r.home, r.home[0])
		}, "entering a control group"},
		{"home", true, func(r *groupRequest) { r.home = append([]int{bad}, r.home[1:]...) }, "going back"},
		{"less than none", false, func(r *groupRequest) { r.spawn.Cgroup1 = -1 }, "of control groups"},
		{"more than there are", false, func(r *groupRequest) { r.spawn.Cgroup1 = 100 }, "of control groups"},
		{"all of them", false, func(r *groupRequest) {
			r.spawn.Cgroup2, r.inside = false, nil
			r.spawn.Cgroup1, r.enter, r.home = 2, nil, nil
		}, "at least 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := strings.ReplaceAll("bad "+tt.name, " ", "-")
			uses1 := false
			change := func(r *groupRequest) {
				if uses1 = len(r.enter) > 0; uses1 || !tt.v1 {
					tt.change(r)
				}
			}
			_, err := g.spawn(id, "exec sleep 100", change)
			if !uses1 && tt.v1 {
				t.Skip("no v1 hierarchy is used here")
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
			if all, err := g.c.List(t.Context()); err != nil || len(all) > 0 {
				t.Errorf("the keeper has %v, %v", all, err)
			}
			// The same id, in a group of another name: nothing is in the way.
			next, err := g.spawn(id+"-next", "echo hello", func(r *groupRequest) { r.spawn.ID = id })
			must(t, err)
			if end := g.e.next(t); end.ID != id || end.Status.ExitStatus() != 0 {
				t.Errorf("the next one ended with %+v", end)
			}
			must(t, g.c.Forget(t.Context(), id))
			if out, err := io.ReadAll(next); err != nil || string(out) != "hello\n" {
				t.Errorf("the next one wrote %q, %v", out, err)
			}
			for _, group := range []string{id, id + "-next"} {
				testutil.Eventually(t, 10*time.Second, func() error { return g.root.Remove(group) })
			}
			if left := testutil.Children(g.pid); len(left) > 0 {
				t.Errorf("children are left: %v", left)
			}
		})
	}
}

// TestGroupThatIsGone starts into groups that were removed since they were opened.
func TestGroupThatIsGone(t *testing.T) {
	g := newGroups(t)
	_, err := g.spawn("gone", "exit 0", func(*groupRequest) { must(t, g.root.Remove("gone")) })
	if err == nil {
		t.Error("started in a group that does not exist")
	}
	_, err = g.spawn("there", "exit 3", nil)
	must(t, err)
	if end := g.e.next(t); end.Status.ExitStatus() != 3 {
		t.Errorf("ended with %#x", end.Status)
	}
	g.end("there")
}

// TestExecFailsInGroup leaves nobody in the group.
func TestExecFailsInGroup(t *testing.T) {
	g := newGroups(t)
	_, err := g.spawn("a", "exit 0", func(r *groupRequest) { r.spawn.UID, r.spawn.CPUs = 1, []int{5000} })
	if err == nil || !strings.Contains(err.Error(), "5000") {
		t.Errorf("error is %v", err)
	}
	must(t, g.root.Remove("a"))
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	group, err := g.root.Create("b", cgroup.Limits{})
	must(t, err)
	defer group.Close()
	home, err := g.root.Home(g.pid)
	must(t, err)
	defer home.Close()
	fd := int(null.Fd())
	fds := []int{fd, fd, fd, fd}
	s := Spawn{ID: "b", Name: "b", Argv: [][]byte{[]byte("b")}, Cgroup1: len(group.Tasks())}
	if inside, ok := group.Inside(); ok {
		s.Cgroup2, fds = true, append(fds, inside)
	}
	_, err = g.c.Spawn(t.Context(), s, append(append(fds, group.Tasks()...), home.Tasks()...))
	if err == nil || !strings.Contains(err.Error(), syscall.EACCES.Error()) {
		t.Errorf("executing /dev/null: %v", err)
	}
	testutil.Eventually(t, 10*time.Second, func() error { return g.root.Remove("b") })
}
