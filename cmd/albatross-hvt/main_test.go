package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/testutil"
)

// program is the path of albatross-hvt.
var program string

func TestMain(m *testing.M) {
	if errno := os.Getenv(withoutFilters); errno != "" {
		fmt.Fprintln(os.Stderr, execWithoutFilters(errno))
		os.Exit(3)
	}
	os.Exit(buildAndRun(m))
}

// buildAndRun builds the program, as it is shipped: without cgo, whose threads the
// filter of system calls does not know, and so without the race detector.
func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "albatross-hvt-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "albatross-hvt")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience bounds waits that end at once if all is well.
const patience = time.Minute

// hvtCommand returns the command albatross-hvt, which is killed if it takes too
// long.
func hvtCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{} // as from a keeper
	return cmd
}

// kernel puts a guest into a file and returns its path.
func kernel(t testing.TB, name string) string {
	t.Helper()
	content, err := guest.Image(guest.TargetHVT, name)
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// exitCode returns the code of a process that exited, and fails the test for
// one that did not.
func exitCode(t testing.TB, cmd *exec.Cmd, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || !cmd.ProcessState.Exited() {
		t.Fatalf("%v: %v", cmd.Args[1:], err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestCommand(t *testing.T) {
	testutil.RequireKVM(t)
	tests := []struct {
		guest, args string
		exit        int
		out, err    string
	}{
		{"hello", "one two", 0, "Hello from hvt\narguments: one two\n", ""},
		{"exit", "255", 255, "exit: 255\n", ""},
		{"crash", "null", 1, "crash: null\n", "albatross-hvt: the guest shut its processor down (triple fault): rip=0x"},
		{"crash", "text", 1, "crash: text\n", "albatross-hvt: host/guest translation fault"},
		{"crash", "port", 1, "crash: port\n", "albatross-hvt: invalid guest port access: port=0x1234"},
		{"block", "", 1, "", "albatross-hvt: all declared devices must be attached: add --block:storage=PATH\n"},
	}
	for _, tt := range tests {
		t.Run(tt.guest+" "+tt.args, func(t *testing.T) {
			var out, messages bytes.Buffer
			cmd := hvtCommand(t, append([]string{"--mem=16", kernel(t, tt.guest)}, strings.Fields(tt.args)...)...)
			cmd.Stdout, cmd.Stderr = &out, &messages
			exit := exitCode(t, cmd, cmd.Run())
			if exit != tt.exit || out.String() != tt.out || !strings.HasPrefix(messages.String(), tt.err) {
				t.Errorf("exit %d, output %q, messages %q", exit, out.String(), messages.String())
			}
			if strings.Count(messages.String(), "\n") > 1 {
				t.Errorf("more than one line: %q", messages.String())
			}
		})
	}
}

func TestMemoryIsRounded(t *testing.T) {
	testutil.RequireKVM(t)
	var messages bytes.Buffer
	cmd := hvtCommand(t, "--mem=17", kernel(t, "exit"), "4")
	cmd.Stderr = &messages
	if exit := exitCode(t, cmd, cmd.Run()); exit != 4 || messages.String() != "albatross-hvt: adjusting memory to 16777216 bytes\n" {
		t.Errorf("exit %d: %s", exit, messages.String())
	}
	for _, mem := range []string{"5000", "1"} { // too much; too little for the image
		messages.Reset()
		cmd = hvtCommand(t, "--mem="+mem, kernel(t, "exit"))
		cmd.Stderr = &messages
		exit := exitCode(t, cmd, cmd.Run())
		if mem == "5000" && (exit != 1 || !strings.Contains(messages.String(), "at most 4096 MB")) {
			t.Errorf("--mem=%s: exit %d: %s", mem, exit, messages.String())
		}
		if mem == "1" && exit != 0 { // it gets 2 MB, and the guest is small
			t.Errorf("--mem=%s: exit %d: %s", mem, exit, messages.String())
		}
	}
}

// start starts cmd and returns its standard output, of which text was read.
func start(t testing.TB, cmd *exec.Cmd, text string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != text {
		t.Fatalf("console begins with %q, %v; want %q", got, err, text)
	}
}

func TestSignals(t *testing.T) {
	testutil.RequireKVM(t)
	for _, tt := range []struct {
		name, args, begin string
		signal            syscall.Signal
		env               string
	}{
		{"spin", "", "spin: busy", syscall.SIGTERM, ""},
		{"spin", "", "spin: busy", syscall.SIGINT, ""},
		{"spin", "", "spin: busy", syscall.SIGQUIT, ""},
		{"spin", "", "spin: busy", syscall.SIGTERM, "GOMAXPROCS=1"},
		{"ticker", "--interval=86400000", "tick 1\n", syscall.SIGTERM, ""},
		{"ticker", "--interval=86400000", "tick 1\n", syscall.SIGTERM, "GOMAXPROCS=1"},
		{"flood", "", "0000000000000001", syscall.SIGTERM, ""}, // blocked by its console
	} {
		t.Run(fmt.Sprintf("%s %v %s", tt.name, tt.signal, tt.env), func(t *testing.T) {
			cmd := hvtCommand(t, "--mem=8", kernel(t, tt.name), tt.args)
			var messages bytes.Buffer
			cmd.Stderr = &messages
			cmd.Env = append(cmd.Env, tt.env)
			start(t, cmd, tt.begin)
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			exit := exitCode(t, cmd, cmd.Wait())
			want := fmt.Sprintf("albatross-hvt: stopped: exiting on signal %d (%v)\n", tt.signal, tt.signal)
			if exit != 1 || messages.String() != want {
				t.Errorf("exit %d: %q, want %q", exit, messages.String(), want)
			}
		})
	}
}

// pipe returns a pipe with those flags of pipe2, both ends inherited by nobody
// that is not given them.
func pipe(t testing.TB, flags int) (r, w *os.File) {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe2(ends[:], flags|syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(ends[0]), "r"), os.NewFile(uintptr(ends[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// With a console and a message stream that nobody reads, a guest goes on, and
// the tender ends.
func TestFullPipes(t *testing.T) {
	testutil.RequireKVM(t)
	for _, tt := range []struct {
		guest, arg string
		exit       int
	}{{"flood", "--bytes=500000", 0}, {"crash", "null", 1}} {
		t.Run(tt.guest, func(t *testing.T) {
			_, w := pipe(t, syscall.O_NONBLOCK)
			raw := int(w.Fd())
			for chunk := make([]byte, 4096); ; {
				if _, err := syscall.Write(raw, chunk); err == syscall.EAGAIN {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			cmd := hvtCommand(t, "--mem=8", kernel(t, tt.guest), tt.arg)
			cmd.Stdout, cmd.Stderr = w, w
			if exit := exitCode(t, cmd, cmd.Run()); exit != tt.exit {
				t.Errorf("exit %d", exit)
			}
		})
	}
}

// A console and a message stream whose reader is gone are no reason to die for
// the guest of a daemon. One that was started by hand ends, as programs do.
func TestBrokenPipes(t *testing.T) {
	testutil.RequireKVM(t)
	for _, flags := range []int{0, syscall.O_NONBLOCK} {
		r, w := pipe(t, flags)
		r.Close()
		_, status := pipe(t, 0)
		cmd := hvtCommand(t, "--status=@3", "--mem=8", kernel(t, "exit"), "6")
		cmd.ExtraFiles = []*os.File{status}
		cmd.Stdout, cmd.Stderr = w, w
		if exit := exitCode(t, cmd, cmd.Run()); exit != 6 {
			t.Errorf("exit %d", exit)
		}
		var messages bytes.Buffer
		cmd = hvtCommand(t, "--mem=8", kernel(t, "ticker"))
		cmd.Stdout, cmd.Stderr = w, &messages
		exit, want := exitCode(t, cmd, cmd.Run()), "albatross-hvt: hypercall PUTS: nobody reads the console: broken pipe: rip=0x"
		if exit != 1 || !strings.HasPrefix(messages.String(), want) {
			t.Errorf("by hand: exit %d, %q, want %q", exit, &messages, want)
		}
		cmd = hvtCommand(t, "--nonsense")
		cmd.Stdout, cmd.Stderr = w, w
		if exit := exitCode(t, cmd, cmd.Run()); exit != 1 {
			t.Errorf("exit %d", exit)
		}
	}
}

// Given descriptors for everything, the tender needs to open nothing: it works
// in a directory tree in which there is nothing but itself.
func TestOpensNothing(t *testing.T) {
	testutil.RequireKVM(t)
	testutil.RequireRoot(t)
	root := t.TempDir()
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "tender"), binary, 0o700); err != nil {
		t.Fatal(err)
	}
	open := func(path string, flags int) *os.File {
		f, err := os.OpenFile(path, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	status, statusEnd := pipe(t, 0)
	var out bytes.Buffer
	cmd := hvtCommand(t, "--mem=8", "--kvm=@3", "--status=@4", "--block:storage=@5", "@6")
	cmd.Path = "/tender"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.ExtraFiles = []*os.File{open("/dev/kvm", os.O_RDWR), statusEnd, open(disk, os.O_RDWR), open(kernel(t, "block"), os.O_RDONLY)}
	// Standard input would be opened by name.
	cmd.Stdin, _ = pipe(t, 0)
	exit := exitCode(t, cmd, cmd.Run())
	statusEnd.Close()
	said, err := io.ReadAll(status)
	if exit != 0 || err != nil || len(said) != 0 || !strings.Contains(out.String(), "8 sectors of 512 bytes verified") {
		t.Errorf("exit %d, status %q, %v: %s", exit, said, err, out.String())
	}
}

func TestStatusOfARefusal(t *testing.T) {
	status, statusEnd := pipe(t, 0)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd := hvtCommand(t, "--kvm=@3", "--status=@4", kernel(t, "hello"))
	cmd.ExtraFiles = []*os.File{null, statusEnd}
	exit := exitCode(t, cmd, cmd.Run())
	statusEnd.Close()
	said, err := io.ReadAll(status)
	if exit != 1 || err != nil || !strings.HasPrefix(string(said), "fd 3 is not /dev/kvm") {
		t.Errorf("exit %d, status %q, %v", exit, said, err)
	}
}

// BenchmarkHello is a process from its start to its end.
func BenchmarkHello(b *testing.B) {
	testutil.RequireKVM(b)
	k := kernel(b, "hello")
	for b.Loop() {
		cmd := hvtCommand(b, "--mem=8", k)
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}
