package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"
)

// victimEnv makes the test binary a victim: it waits for a line with a number of
// bytes, writes to so many, says so, and waits again.
const victimEnv = "CGROUP_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		beVictim()
		return
	}
	os.Exit(m.Run())
}

func beVictim() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			os.Exit(1)
		}
		for b := make([]byte, n); n > 0; n -= 4096 {
			b[n-1] = 1
		}
		fmt.Println("done")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// victim is a process whose memory is at our will.
type victim struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{t: t, cmd: exec.Command("/proc/self/exe")}
	v.cmd.Env = append(os.Environ(), victimEnv+"=1")
	v.cmd.Stderr = os.Stderr
	var err error
	v.in, err = v.cmd.StdinPipe()
	must(t, err)
	out, err := v.cmd.StdoutPipe()
	must(t, err)
	v.out = bufio.NewReader(out)
	must(t, v.cmd.Start())
	t.Cleanup(func() {
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
	})
	return v
}

// use makes the victim write to n bytes; it reports whether it has survived that.
func (v *victim) use(n int) bool {
	v.t.Helper()
	_, err := fmt.Fprintln(v.in, n)
	must(v.t, err)
	line, err := v.out.ReadString('\n')
	return err == nil && line == "done\n"
}

// realRoot opens a root in the hierarchies of this machine for which keep says
// yes.
func realRoot(t *testing.T, keep func(mount string) bool) *Root {
	t.Helper()
	testutil.RequireRoot(t)
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	must(t, err)
	var kept strings.Builder
	for line := range strings.Lines(string(mountinfo)) {
		if keep(line) {
			kept.WriteString(line)
		}
	}
	r := &Root{mkdir: mkdir, rmdir: rmdir}
	err = r.open(machine{kept.String(), string(release), controllers}, "albatross", "test-"+strconv.Itoa(os.Getpid()))
	if errors.Is(err, errNone) {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() {
		ids, err := r.List()
		if err != nil || len(ids) > 0 {
			t.Errorf("groups are left: %v, %v", ids, err)
		}
		must(t, r.Close())
		for _, tree := range r.trees {
			if _, err := os.Stat(tree.instance); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", tree.instance, err)
			}
		}
	})
	return r
}

// eachKind runs a test with all hierarchies and with those of v1 only.
func eachKind(t *testing.T, test func(t *testing.T, r *Root)) {
	t.Run("all", func(t *testing.T) { test(t, realRoot(t, func(string) bool { return true })) })
	t.Run("v1", func(t *testing.T) {
		test(t, realRoot(t, func(mount string) bool { return !strings.Contains(mount, " cgroup2 ") }))
	})
}

// create makes a group that is removed after the test.
func create(t *testing.T, r *Root, id string, l Limits) *Group {
	t.Helper()
	g, err := r.Create(id, l)
	must(t, err)
	t.Cleanup(func() {
		must(t, g.Close())
		testutil.Eventually(t, 10*time.Second, func() error { return r.Remove(id) })
	})
	return g
}

// put moves a process into a group. That is slow, and only for tests.
func put(t *testing.T, r *Root, id string, pid int) {
	t.Helper()
	for _, tree := range r.trees {
		must(t, write(filepath.Join(tree.group(id), "cgroup.procs"), strconv.Itoa(pid)))
	}
}

func TestOutOfMemory(t *testing.T) {
	eachKind(t, func(t *testing.T, r *Root) {
		if r.Limits() != nil {
			t.Skip(r.Limits())
		}
		create(t, r, "big", Limits{Memory: 256 << 20})
		create(t, r, "tiny", Limits{Memory: 32 << 20})
		for _, tt := range []struct {
			id       string
			survives bool
		}{{"big", true}, {"tiny", false}} {
			v := startVictim(t)
			put(t, r, tt.id, v.cmd.Process.Pid)
			if got := v.use(64 << 20); got != tt.survives {
				t.Errorf("%s: survived 64 MB: %t", tt.id, got)
			}
			lack, err := r.Lack(tt.id)
			must(t, err)
			want := Lack{Kills: 1, Limit: true}
			if tt.survives {
				want = Lack{}
			}
			if lack != want {
				t.Errorf("%s: lack is %+v, want %+v", tt.id, lack, want)
			}
			_ = v.in.Close()
			_ = v.cmd.Wait()
			if ws := v.cmd.ProcessState.Sys().(syscall.WaitStatus); (ws.Signal() == syscall.SIGKILL) == tt.survives {
				t.Errorf("%s: ended with %#x", tt.id, ws)
			}
		}
	})
}

// TestLackOfOthers is killed by the limit of a group above.
func TestLackOfOthers(t *testing.T) {
	r := realRoot(t, func(string) bool { return true })
	if r.Limits() != nil {
		t.Skip(r.Limits())
	}
	create(t, r, "a", Limits{Memory: 1 << 30})
	for _, tree := range r.trees {
		if tree.memory {
			must(t, write(filepath.Join(tree.instance, tree.limitFile()), strconv.Itoa(32<<20)))
		}
	}
	v := startVictim(t)
	put(t, r, "a", v.cmd.Process.Pid)
	if v.use(64 << 20) {
		t.Error("it survived")
	}
	lack, err := r.Lack("a")
	must(t, err)
	if lack != (Lack{Kills: 1}) {
		t.Errorf("lack is %+v", lack)
	}
}

func TestUsage(t *testing.T) {
	eachKind(t, func(t *testing.T, r *Root) {
		create(t, r, "a", Limits{})
		before, err := r.Usage("a")
		must(t, err)
		v := startVictim(t)
		put(t, r, "a", v.cmd.Process.Pid)
		if !v.use(64 << 20) {
			t.Fatal("the victim has ended")
		}
		after, err := r.Usage("a")
		must(t, err)
		if before.CPU != 0 || after.CPU <= 0 || after.CPU > time.Hour {
			t.Errorf("CPU time was %v and is %v", before.CPU, after.CPU)
		}
		if r.Limits() == nil && (after.Memory < 60<<20 || after.Memory > 256<<20) {
			t.Errorf("after 64 MB were used, %d bytes are in use", after.Memory)
		}
	})
}

func TestKillAndRemove(t *testing.T) {
	eachKind(t, func(t *testing.T, r *Root) {
		for _, id := range []string{"a", "b"} {
			create(t, r, id, Limits{})
		}
		first, second, other := startVictim(t), startVictim(t), startVictim(t)
		put(t, r, "a", first.cmd.Process.Pid)
		put(t, r, "a", second.cmd.Process.Pid)
		put(t, r, "b", other.cmd.Process.Pid)
		if err := r.Remove("a"); !errors.Is(err, ErrBusy) {
			t.Errorf("removing a group with processes: %v", err)
		}
		must(t, r.Kill("a"))
		for _, v := range []*victim{first, second} {
			_ = v.cmd.Wait()
			if ws := v.cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
				t.Errorf("a victim ended with %#x", ws)
			}
		}
		testutil.Eventually(t, 10*time.Second, func() error { return r.Remove("a") })
		must(t, r.Remove("a")) // it is gone
		must(t, r.Kill("a"))
		if !other.use(4096) {
			t.Error("a process of another group was killed")
		}
		must(t, other.cmd.Process.Kill())
		_ = other.cmd.Wait()
	})
}

// TestNextInstanceFindsGroups closes a root that has groups: the next one of the
// same name has them.
func TestNextInstanceFindsGroups(t *testing.T) {
	r := realRoot(t, func(string) bool { return true })
	create(t, r, "a", Limits{})
	must(t, r.Close())
	next, err := Open("albatross", filepath.Base(r.trees[0].instance))
	must(t, err)
	if ids, err := next.List(); err != nil || len(ids) != 1 || ids[0] != "a" {
		t.Errorf("groups are %v, %v", ids, err)
	}
}

// TestHome finds a process by what the kernel says of the files.
func TestHome(t *testing.T) {
	r := realRoot(t, func(string) bool { return true })
	create(t, r, "a", Limits{})
	v := startVictim(t)
	put(t, r, "a", v.cmd.Process.Pid)
	home, err := r.Home(v.cmd.Process.Pid)
	must(t, err)
	defer home.Close()
	v1 := 0
	for _, tree := range r.trees {
		if tree.v2 {
			continue
		}
		if want := filepath.Join(tree.group("a"), "tasks"); home.tasks[v1].Name() != want {
			t.Errorf("home is %s, want %s", home.tasks[v1].Name(), want)
		}
		v1++
	}
	if len(home.Tasks()) != v1 {
		t.Errorf("home is %v, want %d groups", home.Tasks(), v1)
	}
	must(t, v.cmd.Process.Kill())
	_ = v.cmd.Wait()
	if _, err := r.Home(v.cmd.Process.Pid); v1 > 0 && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("home of a process that has ended: %v", err)
	}
}

// TestOpenWithoutRights opens without the right to.
func TestOpenWithoutRights(t *testing.T) {
	k := newFakeKernel(t)
	r := &Root{mkdir: func(string) error { return os.ErrPermission }, rmdir: rmdir}
	m := machine{"30 23 0:26 / " + k.top + " rw - cgroup2 cgroup2 rw\n", "6.1", controllers}
	if err := r.open(m, "albatross", "one"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("error is %v", err)
	}
}
