package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// groupsOf returns the directories of the control groups of a unikernel's
// process, which are named for it, in all hierarchies that have one.
func groupsOf(t *testing.T, pid int) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	must(t, err)
	found := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		path := strings.TrimSpace(line[strings.LastIndex(line, ":")+1:])
		if strings.HasPrefix(path, "/albatross/") {
			found[path] = true
		}
	}
	var dirs []string
	for path := range found {
		for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
			more, err := filepath.Glob(filepath.Join(top, path))
			must(t, err)
			dirs = append(dirs, more...)
		}
	}
	return dirs
}

// gone says which of the directories are there.
func gone(dirs []string) error {
	for _, d := range dirs {
		if _, err := os.Stat(d); err == nil {
			return fmt.Errorf("%s is there", d)
		}
	}
	return nil
}

// TestControlGroups follows the control groups of a unikernel: it is in them from
// the start, they outlive the daemon, and go with the unikernel.
func TestControlGroups(t *testing.T) {
	testutil.RequireRoot(t)
	eachTarget(t, func(t *testing.T, target string) {
		var instances []string
		t.Cleanup(func() { // after down
			testutil.Eventually(t, patience, func() error { return gone(instances) })
		})
		w := newWorld(t)
		w.ok("create", "tick", imageFile(t, target, "ticker"), "--mem", "24")
		dirs := groupsOf(t, w.pid("tick"))
		if len(dirs) == 0 {
			t.Skip("no control groups can be used here")
		}
		for _, d := range dirs {
			instances = append(instances, filepath.Dir(d))
		}
		w.console("tick", "tick")
		w.killAndAwait("albatrossd", syscall.SIGKILL)
		if now := groupsOf(t, w.pid("tick")); len(now) != len(dirs) {
			t.Errorf("it was in %v and is in %v", dirs, now)
		}
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			for _, d := range dirs {
				b, err := os.ReadFile(filepath.Join(d, file))
				if err == nil && !strings.Contains(string(b), "oom_kill 0\n") {
					t.Errorf("%s of %s: %s", file, d, b)
				}
			}
		}
		w.ok("destroy", "tick")
		testutil.Eventually(t, patience, func() error { return gone(dirs) })
	})
}
