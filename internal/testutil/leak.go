package testutil

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"albatross/internal/linux"
)

// leakPatience is how long leak checks wait for what ends by itself.
const leakPatience = 5 * time.Second

// OpenFDs returns the open descriptors of a process and what they refer to, as
// /proc/PID/fd shows it ("/dev/kvm", "socket:[123]", "anon_inode:[eventpoll]").
func OpenFDs(pid int) (map[int]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list descriptors of process %d: %w", pid, err)
	}
	fds := make(map[int]string, len(entries))
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("list descriptors of process %d: %w", pid, err)
		}
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // the one that was used for listing, or closed meanwhile
		}
		fds[number] = target
	}
	return fds, nil
}

// NoLeakedFDs takes note of the open descriptors of a process and fails the
// test at its end if there are others then, after some time to settle. A test
// that checks its own process must not run in parallel with others.
func NoLeakedFDs(t testing.TB, pid int) {
	t.Helper()
	if pid == os.Getpid() {
		startPoller(t)
	}
	before, err := OpenFDs(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := poll(leakPatience, func() error {
			now, err := OpenFDs(pid)
			if err != nil {
				return err
			}
			maps.DeleteFunc(now, func(fd int, target string) bool { return before[fd] == target })
			if len(now) > 0 {
				return fmt.Errorf("process %d has new descriptors: %v", pid, now)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// startPoller has the runtime open the descriptors of its network poller, which
// it does once, when the first one is needed.
func startPoller(t testing.TB) {
	r, w, err := os.Pipe()
	if err == nil {
		err = errors.Join(r.Close(), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Process names a process for a message.
type Process struct {
	PID     int
	Command string // as ps shows it in COMMAND, at most 15 bytes
}

// String returns "1234 (name)".
func (p Process) String() string { return fmt.Sprintf("%d (%s)", p.PID, p.Command) }

// Children returns the processes whose parent is pid and that have not ended,
// in the order of their numbers.
func Children(pid int) []Process { return descendants(pid, false) }

// Descendants returns the children of pid, their children, and so on, in the
// order of their numbers. Ended processes are left out, but not their children.
func Descendants(pid int) []Process { return descendants(pid, true) }

func descendants(root int, deep bool) []Process {
	parents := make(map[int]linux.ProcStat)
	names, _ := filepath.Glob("/proc/[1-9]*") // fails for bad patterns only
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if stat, err := linux.ReadProcStat(pid); err == nil {
			parents[pid] = stat
		}
	}
	under := func(pid int) bool {
		for range len(parents) { // numbers are reused, so there might be a circle
			parent := parents[pid].PPID
			if parent == root || parent == 0 || !deep {
				return parent == root
			}
			pid = parent
		}
		return false
	}
	var found []Process
	for _, pid := range slices.Sorted(maps.Keys(parents)) {
		if under(pid) && !parents[pid].Ended() {
			found = append(found, process(pid))
		}
	}
	return found
}

func process(pid int) Process {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return Process{pid, strings.TrimSpace(string(comm))}
}

// InCgroup returns the processes in a cgroup directory and in those below it.
// A directory that does not exist holds none.
func InCgroup(dir string) ([]Process, error) {
	var found []Process
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || entry.Name() != "cgroup.procs" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			pid, err := strconv.Atoi(lines.Text())
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			found = append(found, process(pid))
		}
		return lines.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list processes of cgroup %s: %w", dir, err)
	}
	return found, nil
}

// NoLeakedProcesses fails the test at its end if the test binary has
// descendants then that it has not now, after some time for them to end. It
// must not be used in tests that run in parallel.
func NoLeakedProcesses(t testing.TB) {
	t.Helper()
	before := Descendants(os.Getpid())
	t.Cleanup(func() {
		err := poll(leakPatience, func() error {
			now := slices.DeleteFunc(Descendants(os.Getpid()), func(p Process) bool {
				return slices.ContainsFunc(before, func(q Process) bool { return p.PID == q.PID })
			})
			if len(now) > 0 {
				return fmt.Errorf("processes are left: %v", now)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
