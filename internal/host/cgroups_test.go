package host

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/cgroup"
	"albatross/internal/image"
	"albatross/internal/store"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// noGroups says which control groups are left.
func (w *world) noGroups() error {
	if w.host.groups == nil {
		return nil
	}
	ids, err := w.host.groups.List()
	if err == nil && len(ids) > 0 {
		err = fmt.Errorf("control groups are left: %v", ids)
	}
	return err
}

// dropGroups removes what a test that failed has left of control groups.
func (w *world) dropGroups() {
	instance, err := instanceOf(string(w.cfg.DB))
	if err != nil {
		return // no host was opened
	}
	root, err := cgroup.Open(w.cfg.CgroupRoot, instance)
	if err != nil {
		return // there are none
	}
	ids, err := root.List()
	must(w.t, err)
	for _, id := range ids {
		must(w.t, root.Kill(id))
		testutil.Eventually(w.t, 10*time.Second, func() error { return root.Remove(id) })
	}
	must(w.t, root.Close())
}

// newGroupWorld is a world that has control groups.
func newGroupWorld(t *testing.T) *world {
	t.Helper()
	testutil.RequireRoot(t)
	w := newWorld(t)
	if w.host.groups == nil {
		t.Skip("no control groups can be used here")
	}
	return w
}

// groupFiles returns a file of all groups of w, by group, wherever it is.
func (w *world) groupFiles(file string) map[string]string {
	w.t.Helper()
	instance, err := instanceOf(string(w.cfg.DB))
	must(w.t, err)
	found := map[string]string{}
	for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		paths, err := filepath.Glob(filepath.Join(top, w.cfg.CgroupRoot, instance, "*", file))
		must(w.t, err)
		for _, p := range paths {
			found[filepath.Base(filepath.Dir(p))] = p
		}
	}
	return found
}

// limitFile is where a limit of memory stands on this machine.
func (w *world) limitFile() string {
	w.t.Helper()
	if err := w.host.groups.Limits(); err != nil {
		w.t.Skip(err)
	}
	if strings.Contains(w.host.groups.String(), "v1 memory") {
		return "memory.limit_in_bytes"
	}
	return "memory.max"
}

func TestMemoryLimit(t *testing.T) {
	const mb = 1 << 20
	for _, tt := range []struct {
		target image.Target
		memory int
		want   int64
	}{
		{image.TargetSPT, 16, 32*mb + mb/16},
		{image.TargetSPT, 64 << 10, 64<<30 + 256*mb + 16*mb},
		{image.TargetHVT, 16, 112*mb + mb/4},
		{image.TargetHVT, 64 << 10, 64<<30 + 1<<30 + 96*mb},
	} {
		record := store.Unikernel{Target: tt.target, Config: vm.Config{Arguments: vm.Arguments{Memory: tt.memory}}}
		if got := memoryLimit(record); got != tt.want {
			t.Errorf("%v with %d MB: limit is %d, want %d", tt.target, tt.memory, got, tt.want)
		}
	}
}

func TestOutOfMemoryInWords(t *testing.T) {
	killed := vm.Exit{Signal: 9}
	for _, tt := range []struct {
		exit vm.Exit
		lack cgroup.Lack
		want string // a part of it; empty: nothing is said
	}{
		{killed, cgroup.Lack{Kills: 1, Limit: true}, "its limit of 48 MB, which are 32 MB of its own and 16 MB"},
		{killed, cgroup.Lack{Kills: 1}, "the host"},
		{killed, cgroup.Lack{}, ""},
		{killed, cgroup.Lack{Limit: true}, ""}, // it was at its limit, and someone has killed it
		{vm.Exit{Signal: 11}, cgroup.Lack{Kills: 1, Limit: true}, ""},
		{vm.Exit{Code: 9}, cgroup.Lack{Kills: 1, Limit: true}, ""},
	} {
		got := outOfMemory(tt.exit, tt.lack, 32, 48<<20)
		if !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") || got != "" && !strings.HasPrefix(got, "out of memory: ") {
			t.Errorf("%v, %+v: %q, want %q in it", tt.exit, tt.lack, got, tt.want)
		}
	}
}

// TestRunsInItsGroup looks from outside where a process is, and what it may use.
func TestRunsInItsGroup(t *testing.T) {
	w := newGroupWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	id := w.host.unit(name(t, "a")).run.id
	where, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", w.state("a").PID))
	must(t, err)
	if n, want := strings.Count(string(where), "/"+id+"\n"), strings.Count(w.host.groups.String(), " at "); n != want {
		t.Errorf("it is in its group in %d of %d hierarchies:\n%s", n, want, where)
	}
	limit, err := os.ReadFile(w.groupFiles(w.limitFile())[id])
	must(t, err)
	if want := memoryLimit(w.host.unit(name(t, "a")).record); strings.TrimSpace(string(limit)) != strconv.FormatInt(want&^4095, 10) {
		t.Errorf("its limit is %s, want %d", limit, want)
	}
	// A daemon that comes later finds it there, and removes it in the end.
	w.close()
	w.open()
	if usage, err := w.host.groups.Usage(id); err != nil || usage.CPU == 0 {
		t.Errorf("usage is %+v, %v", usage, err)
	}
	_, err = w.host.Destroy(t.Context(), name(t, "a"))
	must(t, err)
	testutil.Eventually(t, 10*time.Second, w.noGroups)
}

// TestOutOfMemory gives a unikernel much less than it was promised.
func TestOutOfMemory(t *testing.T) {
	w := newGroupWorld(t)
	limitFile := w.limitFile()
	w.close()
	w.cfg.Steps = func(done string) {
		if done != "control group made" {
			return
		}
		for _, f := range w.groupFiles(limitFile) {
			if err := os.WriteFile(f, []byte("8388608"), 0); err != nil {
				t.Error(err)
			}
		}
	}
	w.open()
	cfg := config("--mb=24", "--stay")
	cfg.Memory = 32
	must(t, w.create("a", "memory", cfg, false))
	if e := w.gone("a"); e.Exit.Signal != 9 || !strings.HasPrefix(e.Reason, "out of memory: ") || !strings.Contains(e.Reason, "its limit") {
		t.Errorf("ended is %+v", e)
	}
	// Without a lack, a kill is one of somebody's.
	must(t, w.create("b", "ticker", config(), false))
	must(t, syscall.Kill(w.state("b").PID, syscall.SIGKILL))
	if e := w.gone("b"); e.Exit.Signal != 9 || strings.HasPrefix(e.Reason, "out of memory") {
		t.Errorf("ended is %+v", e)
	}
}

// TestOutOfMemoryWithoutDaemon happens while no daemon is there to see it: the
// process is stopped in the middle of making its pages dirty, and goes on later.
func TestOutOfMemoryWithoutDaemon(t *testing.T) {
	w := newGroupWorld(t)
	limitFile := w.limitFile()
	cfg := config("--mb=480", "--stay")
	cfg.Memory = 512
	cfg.Fail = vm.Fail{Mode: vm.FailAlways}
	must(t, w.create("a", "memory", cfg, false))
	pid, id := w.state("a").PID, w.host.unit(name(t, "a")).run.id
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	usage, err := w.host.groups.Usage(id)
	must(t, err)
	w.close()
	limit := strconv.FormatInt(usage.Memory+8<<20, 10)
	must(t, os.WriteFile(w.groupFiles(limitFile)[id], []byte(limit), 0))
	must(t, syscall.Kill(pid, syscall.SIGCONT))
	testutil.Eventually(t, 10*time.Second, func() error {
		if err := syscall.Kill(pid, 0); err == nil {
			return errors.New("it lives")
		}
		return nil
	})
	w.open()
	testutil.Eventually(t, 10*time.Second, func() error {
		if s := w.state("a"); s.LastExit == nil || !strings.HasPrefix(s.LastExit.Reason, "out of memory: ") {
			return fmt.Errorf("state is %+v", s)
		}
		return nil
	})
}

// TestGroupsOfNobody leaves a group with a process in it, and one without.
func TestGroupsOfNobody(t *testing.T) {
	w := newGroupWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	pid := w.state("a").PID
	w.close()
	instance, err := instanceOf(string(w.cfg.DB))
	must(t, err)
	root, err := cgroup.Open(w.cfg.CgroupRoot, instance)
	must(t, err)
	sleep := exec.Command("sleep", "1000")
	for _, id := range []string{"dead.empty", "dead.used"} {
		g, err := root.Create(id, cgroup.Limits{})
		must(t, err)
		if fd, ok := g.Inside(); ok && id == "dead.used" {
			sleep.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
			must(t, sleep.Start())
		}
		must(t, g.Close())
	}
	w.open()
	testutil.Eventually(t, 10*time.Second, func() error {
		if left := w.groupFiles("cgroup.procs"); len(left) != 1 {
			return fmt.Errorf("groups are %v", left)
		}
		return nil
	})
	if sleep.Process != nil {
		_ = sleep.Wait()
		if ws := sleep.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
			t.Errorf("the process of nobody ended with %#x", ws)
		}
	}
	if w.state("a").PID != pid {
		t.Error("a unikernel that ran was touched")
	}
}

// TestNoDirectoryIsLeft ends the daemon when nothing runs.
func TestNoDirectoryIsLeft(t *testing.T) {
	w := newGroupWorld(t)
	must(t, w.create("a", "hello", config(), false))
	w.gone("a")
	testutil.Eventually(t, 10*time.Second, w.noGroups)
	instance, err := instanceOf(string(w.cfg.DB))
	must(t, err)
	w.close()
	for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		if left, err := filepath.Glob(filepath.Join(top, w.cfg.CgroupRoot, instance)); err != nil || len(left) > 0 {
			t.Errorf("%v is left, %v", left, err)
		}
	}
}

func TestWithoutGroups(t *testing.T) {
	w := newWorld(t)
	w.close()
	w.cfg.CgroupRoot = ""
	w.open()
	must(t, w.create("a", "exit", config("3"), false))
	if e := w.gone("a"); e.Exit.Code != 3 {
		t.Errorf("ended is %+v", e)
	}
	w.close()
	bad := w.cfg
	bad.CgroupRoot = "../elsewhere"
	if h, err := Open(t.Context(), bad, slog.New(slog.DiscardHandler)); !errors.Is(err, cgroup.ErrRoot) {
		t.Errorf("a root outside of the hierarchies: %v", err)
		if h != nil {
			must(t, h.Close())
		}
	}
	w.open()
}

func TestInstanceOf(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink(dir, dir+"/link"))
	one, err := instanceOf(dir)
	must(t, err)
	same, err := instanceOf(dir + "/link/.")
	must(t, err)
	must(t, os.Mkdir(dir+"/other", 0o755))
	other, err := instanceOf(dir + "/other")
	must(t, err)
	if one != same || one == other || len(one) != 12 {
		t.Errorf("instances are %q, %q and %q", one, same, other)
	}
	if _, err := instanceOf(dir + "/missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a directory that is not there: %v", err)
	}
}
