package spt

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"albatross/guest"
	"albatross/internal/image"
	"albatross/internal/linux"
)

// process is a guest that runs as a child of the test.
type process struct {
	t       testing.TB
	pid     int
	program *Program
	console *os.File
	started error
}

// start runs the built-in guest with the given memory, arguments and block
// files by device name.
func start(t testing.TB, name string, megabytes uint64, args string, blocks map[string]string) *process {
	t.Helper()
	file, im := imageFile(t, name)
	return startFile(t, file, im, megabytes, args, blocks)
}

// imageFile writes a built-in guest to a file.
func imageFile(t testing.TB, name string) (*os.File, *image.Image) {
	t.Helper()
	b, err := guest.Image("spt", name)
	must(t, err)
	path := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(path, b, 0o644))
	file, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	im, err := image.Read(file, int64(len(b)))
	must(t, err)
	return file, im
}

func startFile(t testing.TB, file *os.File, im *image.Image, megabytes uint64, args string, blocks map[string]string) *process {
	t.Helper()
	consoleR, consoleW, err := os.Pipe()
	must(t, err)
	statusR, statusW, err := os.Pipe()
	must(t, err)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	defer closeAll(null, statusR)
	c := Config{
		Name: "test", Image: im, ImageFile: file, Memory: megabytes << 20, CommandLine: args,
		Null: fdOf(t, null), Console: fdOf(t, consoleW), Messages: fdOf(t, consoleW), Status: fdOf(t, statusW),
	}
	defer func() { c.Null.Close(); c.Console.Close(); c.Messages.Close() }()
	for device, path := range blocks {
		c.Devices = append(c.Devices, openBlock(t, im, device, path))
	}
	p, err := Build(c)
	must(t, err)
	files := make([]uintptr, len(p.FDs()))
	for i, fd := range p.FDs() {
		files[i] = uintptr(fd)
	}
	pid, err := syscall.ForkExec(p.Path(), []string{"test"}, &syscall.ProcAttr{Files: files})
	must(t, err)
	closeAll(consoleW, statusW)
	c.Status.Close()
	started := p.ReadStatus(statusR)
	must(t, p.Close())
	return &process{t, pid, p, consoleR, started}
}

func openBlock(t testing.TB, im *image.Image, device, path string) image.Attachment {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	must(t, err)
	handle, ok := im.Manifest.Lookup(device, image.KindBlock)
	if !ok {
		t.Fatalf("the guest has no device %s", device)
	}
	return image.Attachment{Handle: handle, FD: int32(f.Fd()), Capacity: uint64(fi.Size()), SectorSize: 512}
}

// wait returns what the guest printed and how it ended.
func (p *process) wait() (string, syscall.WaitStatus) {
	p.t.Helper()
	out, err := io.ReadAll(p.console)
	must(p.t, err)
	closeAll(p.console)
	var ws syscall.WaitStatus
	for {
		_, err = syscall.Wait4(p.pid, &ws, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	must(p.t, err)
	return string(out), ws
}

func fdOf(t testing.TB, f *os.File) *linux.FD {
	t.Helper()
	fd, err := linux.FromFile(f)
	must(t, err)
	return fd
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func TestHello(t *testing.T) {
	p := start(t, "hello", 16, "one two", nil)
	must(t, p.started)
	out, ws := p.wait()
	if !ws.Exited() || ws.ExitStatus() != 0 {
		t.Errorf("hello ended with %#x, printed %q", ws, out)
	}
	if !strings.Contains(out, "one two") {
		t.Errorf("hello printed %q, without its arguments", out)
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		args string
		want int
	}{{"0", 0}, {"3", 3}, {"255", 255}, {"", 0}} {
		p := start(t, "exit", 16, tt.args, nil)
		must(t, p.started)
		if out, ws := p.wait(); !ws.Exited() || ws.ExitStatus() != tt.want {
			t.Errorf("exit %s ended with %#x, printed %q", tt.args, ws, out)
		}
	}
}

func TestCrashes(t *testing.T) {
	for _, tt := range []struct {
		how  string
		want syscall.Signal
	}{
		{"null", syscall.SIGSEGV},
		{"text", syscall.SIGSEGV},
		{"data", syscall.SIGSEGV},
		{"syscall", syscall.SIGSYS},
	} {
		t.Run(tt.how, func(t *testing.T) {
			p := start(t, "crash", 16, tt.how, nil)
			must(t, p.started)
			if out, ws := p.wait(); !ws.Signaled() || ws.Signal() != tt.want || ws.CoreDump() {
				t.Errorf("crash %s ended with %#x, printed %q", tt.how, ws, out)
			}
		})
	}
}

func TestMemory(t *testing.T) {
	p := start(t, "memory", 64, "--mb=40", nil)
	must(t, p.started)
	out, ws := p.wait()
	if ws.ExitStatus() != 0 || !strings.Contains(out, "40 MB") {
		t.Errorf("memory ended with %#x, printed %q", ws, out)
	}
}

func TestBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
	p := start(t, "block", 16, "", map[string]string{"storage": path})
	must(t, p.started)
	out, ws := p.wait()
	if ws.ExitStatus() != 0 || !strings.Contains(out, "verified") {
		t.Errorf("block ended with %#x, printed %q", ws, out)
	}
	content, err := os.ReadFile(path)
	must(t, err)
	if len(content) != 1<<20 || bytes.Equal(content[len(content)-512:], make([]byte, 512)) {
		t.Error("the last sector was not written, or the file has grown")
	}
	p = start(t, "block", 16, "--beyond", map[string]string{"storage": path})
	must(t, p.started)
	if out, ws := p.wait(); !ws.Signaled() || ws.Signal() != syscall.SIGSYS {
		t.Errorf("a write beyond the device ended with %#x, printed %q", ws, out)
	}
	fi, err := os.Stat(path)
	must(t, err)
	if fi.Size() != 1<<20 {
		t.Errorf("the device has grown to %d bytes", fi.Size())
	}
}

// An image that shrinks under our hands makes a step fail after the process was
// executed: that must be told from anything that a guest may do.
func TestStatusTellsFailingStep(t *testing.T) {
	file, im := imageFile(t, "hello")
	must(t, os.Truncate(file.Name(), 64))
	p := startFile(t, file, im, 16, "", nil)
	out, ws := p.wait()
	if !errors.Is(p.started, ErrNotStarted) || !errors.Is(p.started, syscall.EIO) {
		t.Errorf("status is %v, want ErrNotStarted and EIO", p.started)
	}
	if !ws.Signaled() || out != "" {
		t.Errorf("ended with %#x, printed %q; want death by a signal and no output", ws, out)
	}
}

func TestRefusesOtherTargetAndTooLittleMemory(t *testing.T) {
	for _, tt := range []struct {
		target string
		memory uint64
		want   string
	}{
		{"hvt", 16 << 20, "hvt"},
		{"spt", 1 << 20, "MB"},
	} {
		b, err := guest.Image(tt.target, "hello")
		must(t, err)
		im, err := image.Read(bytes.NewReader(b), int64(len(b)))
		must(t, err)
		_, err = Build(Config{Name: "test", Image: im, Memory: tt.memory})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s with %d bytes: error is %v", tt.target, tt.memory, err)
		}
	}
}
