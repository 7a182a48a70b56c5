package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

// Each thread of a tender whose guest runs is under a filter, and cannot gain
// privileges.
func TestConfined(t *testing.T) {
	testutil.RequireKVM(t)
	cmd := hvtCommand(t, "--mem=8", kernel(t, "ticker"), "--interval=86400000")
	start(t, cmd, "tick 1\n")
	defer end(t, cmd)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s lacks %q: %s", thread, want, status)
			}
		}
	}
}

// end asks a tender to end, as which it exits.
func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if exit := exitCode(t, cmd, cmd.Wait()); exit != 1 {
		t.Errorf("exit %d", exit)
	}
}

// A tender that is stopped by a terminal or a debugger goes on: what it waited in
// is restarted.
func TestStoppedAndContinued(t *testing.T) {
	testutil.RequireKVM(t)
	for _, guest := range []string{"spin", "ticker"} {
		t.Run(guest, func(t *testing.T) {
			cmd := hvtCommand(t, "--mem=8", kernel(t, guest))
			start(t, cmd, map[string]string{"spin": "spin: busy", "ticker": "tick 1\n"}[guest])
			for range 5 {
				if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				testutil.Eventually(t, patience, func() error {
					stat, err := linux.ReadProcStat(cmd.Process.Pid)
					if err == nil && stat.State != 'T' {
						err = fmt.Errorf("it is in state %c", stat.State)
					}
					return err
				})
				if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
			}
			end(t, cmd)
		})
	}
}

// withoutFilters makes the test binary execute its arguments where seccomp(2)
// fails with the error number that it names.
const withoutFilters = "ALBATROSS_TEST_WITHOUT_FILTERS"

// execWithoutFilters returns only if it fails.
func execWithoutFilters(errno string) error {
	var n uint32
	if _, err := fmt.Sscan(errno, &n); err != nil {
		return err
	}
	const load, jumpEqual, ret, allow, fail, sysSeccomp = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050000, 317
	var filter []byte
	for _, in := range []struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}{{load, 0, 0, 0}, {jumpEqual, 0, 1, sysSeccomp}, {ret, 0, 0, fail | n}, {ret, 0, 0, allow}} {
		filter = binary.LittleEndian.AppendUint16(filter, in.code)
		filter = append(filter, in.jt, in.jf)
		filter = binary.LittleEndian.AppendUint32(filter, in.k)
	}
	if err := linux.FilterSystemCalls(filter); err != nil {
		return err
	}
	return syscall.Exec(os.Args[1], os.Args[1:], nil)
}

// Where the kernel cannot filter, no guest runs, and the daemon learns why.
func TestNoGuestWithoutFilter(t *testing.T) {
	testutil.RequireKVM(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EINVAL} {
		status, statusEnd := pipe(t, 0)
		var out, messages bytes.Buffer
		cmd := hvtCommand(t, program, "--status=@3", "--mem=8", kernel(t, "hello"))
		cmd.Path = self
		cmd.Env = []string{fmt.Sprintf("%s=%d", withoutFilters, errno)}
		cmd.ExtraFiles = []*os.File{statusEnd}
		cmd.Stdout, cmd.Stderr = &out, &messages
		exit := exitCode(t, cmd, cmd.Run())
		statusEnd.Close()
		said, err := io.ReadAll(status)
		want := "confining the tender: install system call filter: this kernel cannot filter all threads of a process, " +
			"which takes Linux 3.17 or later with CONFIG_SECCOMP_FILTER: " + errno.Error()
		if exit != 1 || err != nil || string(said) != want || messages.String() != "albatross-hvt: "+want+"\n" || out.Len() > 0 {
			t.Errorf("exit %d, status %q, %v, messages %q, output %q", exit, said, err, messages.String(), out.String())
		}
	}
}
