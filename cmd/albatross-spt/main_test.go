package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/version"
)

// asCommand makes the test binary act as albatross-spt.
const asCommand = "ALBATROSS_TEST_AS_SPT"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// kernel puts a guest into a file and returns its path.
func kernel(t testing.TB, target, name string) string {
	t.Helper()
	content, err := guest.Image(target, name)
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// sptCommand runs albatross-spt to its end.
func sptCommand(t testing.TB, args ...string) (state *os.ProcessState, out, messages string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = []string{asCommand + "=1"}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState, stdout.String(), stderr.String()
}

func TestCommand(t *testing.T) {
	tests := []struct {
		guest, args string
		exit        int            // status, if no signal
		signal      syscall.Signal // that ends the process
		out, err    string
	}{
		{"hello", "one two", 0, 0, "Hello from spt\narguments: one two\n", ""},
		{"exit", "3", 3, 0, "exit: 3\n", ""},
		{"crash", "abort", 255, 0, "crash: abort\n", ""},
		{"crash", "null", 0, syscall.SIGSEGV, "crash: null\n", ""},
		{"crash", "text", 0, syscall.SIGSEGV, "crash: text\n", ""},
		{"crash", "syscall", 0, syscall.SIGSYS, "crash: syscall\n", ""},
		{"block", "", 1, 0, "", "albatross-spt: all declared devices must be attached: add --block:storage=PATH\n"},
	}
	for _, tt := range tests {
		t.Run(tt.guest+" "+tt.args, func(t *testing.T) {
			args := append([]string{"--mem=16", kernel(t, guest.TargetSPT, tt.guest)}, strings.Fields(tt.args)...)
			state, out, messages := sptCommand(t, args...)
			status := state.Sys().(syscall.WaitStatus)
			if tt.signal != 0 && status.Signal() != tt.signal || tt.signal == 0 && status.ExitStatus() != tt.exit {
				t.Errorf("ended with %v, want status %d or signal %v", state, tt.exit, tt.signal)
			}
			if out != tt.out || messages != tt.err {
				t.Errorf("output %q, messages %q", out, messages)
			}
		})
	}
}

func TestBlock(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, make([]byte, 8*4096), 0o600); err != nil {
		t.Fatal(err)
	}
	state, out, messages := sptCommand(t, "--mem=16", "--block:storage="+disk, "--block-sector-size:storage=4096", kernel(t, guest.TargetSPT, "block"))
	if state.ExitCode() != 0 || !strings.Contains(out, "8 sectors of 4096 bytes verified") || messages != "" {
		t.Errorf("%v: %s%s", state, out, messages)
	}
}

// TestBrokenPipe has a guest that prints for ever end with its reader, also
// where whoever started it ignores SIGPIPE.
func TestBrokenPipe(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, prepare := range []string{"", "trap '' PIPE; "} {
		cmd := exec.CommandContext(ctx, "sh", "-c", prepare+`exec "$0" "$@"`, self, "--mem=16", kernel(t, guest.TargetSPT, "flood"))
		cmd.Env = []string{asCommand + "=1"}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // ProcessState says the same
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGPIPE {
			t.Errorf("%q: ended with %v, want SIGPIPE", prepare, cmd.ProcessState)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--x-exec-heap", "k"}, "--x-exec-heap: a heap that can be executed is not supported"},
		{[]string{"--kvm=@900", "k"}, "options of albatross-hvt"},
		{[]string{kernel(t, guest.TargetHVT, "hello")}, "use albatross-hvt"},
		{[]string{"--mem=1099511627776", kernel(t, guest.TargetSPT, "hello")}, "MB of memory"},
	} {
		state, out, messages := sptCommand(t, tt.args...)
		if state.ExitCode() != 1 || out != "" || !strings.HasPrefix(messages, "albatross-spt: ") || !strings.Contains(messages, tt.want) {
			t.Errorf("%v: %v: %s%s", tt.args, state, out, messages)
		}
	}
}

func TestVersion(t *testing.T) {
	state, out, messages := sptCommand(t, "--version")
	if state.ExitCode() != 0 || out != "" || messages != "albatross-spt tender, version "+version.Version+"\nABI version 2\n" {
		t.Errorf("%v: %s%s", state, out, messages)
	}
}
