package linux_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

func TestPidfdOfARunningProcess(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("needs cat: %v", err)
	}
	fd, err := linux.PidfdOpen(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if ended, err := linux.PidfdEnded(fd); ended || err != nil {
		t.Errorf("it has ended: %t, %v", ended, err)
	}
	if _, err := linux.PidfdGetFD(fd, 4000); !errors.Is(err, syscall.EBADF) {
		t.Errorf("a descriptor that it has not: %v", err)
	}
	dup, err := linux.PidfdGetFD(fd, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "x"); err != nil {
		t.Fatal(err)
	}
	if err := dup.Close(); err != nil {
		t.Error(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, 20*time.Second, func() error { // before it is reaped
		if ended, err := linux.PidfdEnded(fd); !ended || err != nil {
			return errors.Join(errors.New("it has not ended"), err)
		}
		return nil
	})
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if ended, err := linux.PidfdEnded(fd); !ended || err != nil {
		t.Errorf("once it was reaped it has ended: %t, %v", ended, err)
	}
	if ended, err := linux.PidfdEnded(linux.NewFD(-1)); ended || err != nil { // poll passes over negative numbers
		t.Errorf("a closed descriptor: %t, %v", ended, err)
	}
}

func TestOpenFile(t *testing.T) {
	fd, err := linux.OpenFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if n, err := fd.Read(make([]byte, 16)); n == 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := linux.OpenFile("/proc/self/nosuch"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "nosuch") {
		t.Error(err)
	}
}
