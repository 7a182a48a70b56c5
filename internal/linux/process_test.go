package linux_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

func TestPidfd(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		t.Skipf("needs sleep: %v", err)
	}
	fd, err := linux.PidfdOpen(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if !closeOnExec(t, fd) {
		t.Error("pidfd is not close-on-exec")
	}
	if err := linux.PidfdSendSignal(fd, 0); err != nil {
		t.Errorf("probe: %v", err)
	}
	if err := linux.PidfdSendSignal(fd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := child.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("child ended with %v", err)
	}
	err = linux.PidfdSendSignal(fd, syscall.SIGKILL)
	if !errors.Is(err, syscall.ESRCH) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("signal to a reaped process: %v", err)
	}
	if _, err := linux.PidfdOpen(child.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of a reaped process: %v", err)
	}
}

func TestChildSubreaper(t *testing.T) {
	testutil.NoLeakedProcesses(t)
	if err := linux.SetChildSubreaper(); err != nil {
		t.Fatal(err)
	}
	// The shell ends at once and leaves an orphan.
	out, err := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Skipf("needs sh and sleep: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		// Succeeds for a child only.
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
			t.Errorf("reap orphan: %v", err)
		}
	}()
	testutil.Eventually(t, 10*time.Second, func() error {
		stat, err := linux.ReadProcStat(pid)
		if err != nil || stat.PPID != os.Getpid() {
			return fmt.Errorf("orphan has parent %d, not %d (%v)", stat.PPID, os.Getpid(), err)
		}
		return nil
	})
}

func TestUnshareNet(t *testing.T) {
	testutil.RequireRoot(t)
	namespace := func() string {
		link, err := os.Readlink("/proc/thread-self/ns/net")
		if err != nil {
			t.Error(err)
		}
		return link
	}
	outside := namespace()
	done := make(chan string)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := linux.UnshareNet(); err != nil {
			t.Error(err)
			return
		}
		done <- namespace()
	}()
	if inside := <-done; inside == "" || inside == outside {
		t.Errorf("namespace %q, outside %q", inside, outside)
	}
	if now := namespace(); now != outside {
		t.Errorf("another thread moved to %q", now)
	}
}
