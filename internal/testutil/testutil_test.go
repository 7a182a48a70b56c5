package testutil

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorder is a test that others judge.
type recorder struct {
	testing.TB
	failed, skipped string
	cleanups        []func()
}

// stop is what Fatalf and Skipf panic with.
type stop struct{}

func (*recorder) Helper()             {}
func (r *recorder) Cleanup(f func())  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any) { r.failed = fmt.Sprint(args...) }
func (r *recorder) Fatal(args ...any) {
	r.failed = fmt.Sprint(args...)
	panic(stop{})
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	panic(stop{})
}

// record runs f and its cleanups as a test would be.
func record(t *testing.T, f func(tb testing.TB)) *recorder {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if v := recover(); v != nil && v != (stop{}) {
				panic(v)
			}
		}()
		f(r)
	}()
	for _, cleanup := range slices.Backward(r.cleanups) {
		cleanup()
	}
	return r
}

func TestSkipUnless(t *testing.T) {
	reason := errors.New("no such device")
	for _, test := range []struct {
		require string
		err     error
		outcome string
	}{
		{"", nil, "run"},
		{"all", nil, "run"},
		{"", reason, "skip"},
		{"root,tap", reason, "skip"},
		{"kvmx", reason, "skip"},
		{"kvm", reason, "fail"},
		{"root, kvm", reason, "fail"},
		{"root,kvm,tap", reason, "fail"},
		{"all", reason, "fail"},
	} {
		t.Setenv(RequireEnv, test.require)
		ran := false
		r := record(t, func(tb testing.TB) {
			SkipUnless(tb, KVM, test.err)
			ran = true
		})
		got := map[bool]string{true: "run"}[ran]
		if r.skipped != "" {
			got += "skip"
		}
		if r.failed != "" {
			got += "fail"
		}
		if got != test.outcome {
			t.Errorf("%+v: %s", test, got)
		}
		if text := r.failed + r.skipped; test.err != nil && (!strings.Contains(text, "kvm") || !strings.Contains(text, reason.Error())) {
			t.Errorf("%+v: message %q", test, text)
		}
	}
}

func TestEventually(t *testing.T) {
	calls := 0
	Eventually(t, time.Minute, func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
	calls = 0
	r := record(t, func(tb testing.TB) {
		Eventually(tb, 10*time.Millisecond, func() error { calls++; return fmt.Errorf("failure %d", calls) })
	})
	if calls < 2 || !strings.Contains(r.failed, fmt.Sprintf("failure %d", calls)) {
		t.Errorf("after %d calls: %q", calls, r.failed)
	}
}

func TestTempDirShort(t *testing.T) {
	var dir string
	record(t, func(tb testing.TB) {
		dir = TempDirShort(tb)
		listener, err := net.Listen("unix", filepath.Join(dir, "socket-of-a-daemon-with-a-long-name.sock"))
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
	})
	if len(dir) > 50 {
		t.Errorf("%s is not short", dir)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

func TestNoLeakedFDs(t *testing.T) {
	check := func(closes bool) string {
		var f *os.File
		r := record(t, func(tb testing.TB) {
			NoLeakedFDs(tb, os.Getpid())
			var err error
			if f, err = os.Open("/dev/null"); err != nil {
				t.Fatal(err)
			}
			if closes {
				f.Close()
			}
		})
		f.Close()
		return r.failed
	}
	if got := check(true); got != "" {
		t.Errorf("nothing leaked, but: %s", got)
	}
	if testing.Short() {
		t.Skip("a leak takes seconds to be sure of")
	}
	if got := check(false); !strings.Contains(got, "/dev/null") {
		t.Errorf("a descriptor leaked, but: %q", got)
	}
}

func TestProcesses(t *testing.T) {
	NoLeakedProcesses(t)
	// A shell that waits for its child, so both are there.
	cmd := exec.Command("sh", "-c", "sleep 1000; true")
	if err := cmd.Start(); err != nil {
		t.Skipf("needs sh: %v", err)
	}
	defer func() {
		for _, p := range Descendants(cmd.Process.Pid) {
			if process, err := os.FindProcess(p.PID); err == nil {
				process.Kill()
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
	}()
	Eventually(t, 10*time.Second, func() error {
		shell, sleep := Children(os.Getpid()), Descendants(os.Getpid())
		if len(shell) != 1 || shell[0].PID != cmd.Process.Pid || len(sleep) != 2 || sleep[1].Command != "sleep" {
			return fmt.Errorf("children %v, descendants %v", shell, sleep)
		}
		return nil
	})
}

func TestInCgroup(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, text := range map[string]string{root: "", below: fmt.Sprintf("%d\n", os.Getpid())} {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := InCgroup(root)
	if err != nil || len(got) != 1 || got[0].PID != os.Getpid() || got[0].Command == "" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := InCgroup(filepath.Join(root, "none")); len(got) > 0 || err != nil {
		t.Errorf("a cgroup that does not exist: %v, %v", got, err)
	}
}

func TestGuestDirSays(t *testing.T) {
	dir, err := guestDir()
	if (err == nil) != (dir != "") {
		t.Errorf("%q, %v", dir, err)
	}
	if err == nil && !strings.HasSuffix(dir, filepath.Join("guest", "built")) {
		t.Errorf("guests are in %s", dir)
	}
}
