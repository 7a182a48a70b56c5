package tender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"albatross/guest"
	"albatross/internal/image"
	"albatross/internal/testutil"
	"albatross/internal/version"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writeGuest puts a guest into a file and returns its path.
func writeGuest(t *testing.T, target, name string) string {
	t.Helper()
	elf, err := guest.Image(target, name)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, name, string(elf))
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// tryMain runs a tender whose guest is run.
func tryMain(run func(context.Context, *Unikernel) (int, error), args ...string) (exit int, messages string) {
	var out bytes.Buffer
	p := Program{Name: "albatross-hvt", Target: image.TargetHVT, Run: run}
	exit = p.main(args, &out)
	return exit, out.String()
}

func notRun(context.Context, *Unikernel) (int, error) { return 77, errors.New("this must not run") }

func TestHelpAndVersion(t *testing.T) {
	if exit, out := tryMain(notRun, "--help"); exit != 1 || !strings.HasPrefix(out, "usage: albatross-hvt ") {
		t.Errorf("--help: %d, %q", exit, out)
	}
	exit, out := tryMain(notRun, "--version")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if exit != 0 || len(lines) != 2 || lines[1] != "ABI version 2" || !strings.HasPrefix(lines[0], "albatross-hvt tender, version "+version.Version) {
		t.Errorf("--version: %d, %q", exit, out)
	}
}

func TestRunsWithItsDevices(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	kernel := writeGuest(t, guest.TargetHVT, "block")
	disk := writeFile(t, "disk", strings.Repeat("d", 8192))
	var seen Unikernel
	exit, out := tryMain(func(_ context.Context, u *Unikernel) (int, error) {
		seen = *u
		u.Warn("hm, %d", 1)
		return 3, nil
	}, "--mem=7", "--block:storage="+disk, "--block-sector-size:storage=4096", kernel, "a", "b")
	if exit != 3 || out != "albatross-hvt: hm, 1\n" {
		t.Fatalf("exit %d: %s", exit, out)
	}
	if seen.Memory != 7<<20 || seen.CommandLine != "a b" || seen.Kernel.Path != kernel || seen.KVM != nil || len(seen.Devices) != 1 {
		t.Errorf("%+v", seen)
	}
	want := image.Attachment{Handle: 1, FD: seen.Devices[0].FD, Capacity: 8192, SectorSize: 4096}
	if seen.Devices[0] != want {
		t.Errorf("attached %+v, want %+v", seen.Devices[0], want)
	}
}

func TestRefusals(t *testing.T) {
	block := writeGuest(t, guest.TargetHVT, "block")
	hello := writeGuest(t, guest.TargetHVT, "hello")
	web := writeGuest(t, guest.TargetHVT, "web")
	odd, small, empty := writeFile(t, "odd", strings.Repeat("x", 3*2048)), writeFile(t, "small", strings.Repeat("x", 256)), writeFile(t, "empty", "")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"usage", []string{"--nonsense", hello}, "albatross-hvt: invalid option: \"--nonsense\"\nalbatross-hvt: see albatross-hvt --help\n"},
		{"no kernel", []string{"/no/such/file"}, "albatross-hvt: /no/such/file: could not open: no such file or directory\n"},
		{"a directory", []string{"/"}, "albatross-hvt: /: not a regular file\n"},
		{"closed descriptor", []string{"@900"}, "albatross-hvt: @900: bad file descriptor\n"},
		{"no image", []string{odd}, ": image refused: "},
		{"other target", []string{writeGuest(t, guest.TargetSPT, "hello")}, "use albatross-spt\n"},
		{"missing device", []string{block}, "add --block:storage=PATH"},
		{"unknown device", []string{"--net:x=t", hello}, "not declared in manifest: --net:x"},
		{"no such disk", []string{"--block:storage=/no/such", block}, "--block:storage: /no/such: could not open: no such file or directory\n"},
		{"disk is a directory", []string{"--block:storage=/", block}, "--block:storage: /: could not open: is a directory\n"},
		{"disk is a device, but no block device", []string{"--block:storage=/dev/zero", block}, "neither a file nor a block device"},
		{"misaligned disk", []string{"--block:storage=" + odd, "--block-sector-size:storage=4096", block}, "Backing storage size must be block aligned"},
		{"small disk", []string{"--block:storage=" + small, block}, "Backing storage size must be block aligned"},
		{"empty disk", []string{"--block:storage=" + empty, block}, "Backing storage must be at least 1 block"},
		{"closed disk", []string{"--block:storage=@900", block}, "--block:storage: @900: bad file descriptor\n"},
		{"no such tap", []string{"--net:service=nosuchtap0", web}, "--net:service: attach to tap nosuchtap0: "},
		{"closed tap", []string{"--net:service=@900", web}, "--net:service: use fd 900 as a tap: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			testutil.NoLeakedFDs(t, os.Getpid())
			exit, out := tryMain(notRun, tt.args...)
			if exit != 1 || !strings.HasPrefix(out, "albatross-hvt: ") || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d: %q, want %q", exit, out, tt.want)
			}
		})
	}
}

// statusPipe returns the reading end of a pipe, and the number of the other,
// which the tender is going to own.
func statusPipe(t *testing.T) (r *os.File, w int) {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r = os.NewFile(uintptr(ends[0]), "status")
	t.Cleanup(func() { r.Close() })
	return r, ends[1]
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStatus(t *testing.T) {
	kernel := writeGuest(t, guest.TargetHVT, "hello")
	fail := errors.Join(errors.New("one"), errors.New("two"))
	tests := []struct {
		name string
		args []string
		run  func(t *testing.T, r io.Reader, u *Unikernel) (int, error)
		exit int
		want string
	}{
		{"bad command line", []string{"--nonsense", kernel}, nil, 1, `invalid option: "--nonsense"`},
		{"bad image", []string{"/no/such/file"}, nil, 1, "/no/such/file: could not open: no such file or directory"},
		{"start fails", []string{kernel}, func(*testing.T, io.Reader, *Unikernel) (int, error) { return 1, fail }, 1, "one; two"},
		{"runs", []string{kernel}, func(t *testing.T, r io.Reader, u *Unikernel) (int, error) {
			u.Started()
			// The end of file has to come while the guest runs.
			if got := readAll(t, r); got != "" {
				t.Errorf("status %q of a running guest", got)
			}
			return 5, nil
		}, 5, ""},
		{"runs, then fails", []string{kernel}, func(_ *testing.T, _ io.Reader, u *Unikernel) (int, error) {
			u.Started()
			return 1, fail
		}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, w := statusPipe(t)
			run := notRun
			if tt.run != nil {
				run = func(_ context.Context, u *Unikernel) (int, error) { return tt.run(t, r, u) }
			}
			exit, out := tryMain(run, append([]string{fmt.Sprintf("--status=@%d", w)}, tt.args...)...)
			if got := readAll(t, r); exit != tt.exit || got != tt.want {
				t.Errorf("exit %d, status %q, want %d, %q", exit, got, tt.exit, tt.want)
			}
			if tt.want != "" && !strings.Contains(out, "albatross-hvt: "+tt.want+"\n") {
				t.Errorf("messages %q", out)
			}
		})
	}
}

// The options of the daemon make no sense for spt.
func TestDaemonOptionsAreForHVT(t *testing.T) {
	p := Program{Name: "albatross-spt", Target: image.TargetSPT, Run: notRun}
	for _, o := range []string{"--kvm=@900", "--status=@900"} {
		var out bytes.Buffer
		if exit := p.main([]string{o, "k"}, &out); exit != 1 || !strings.Contains(out.String(), "options of albatross-hvt") {
			t.Errorf("%s: %d, %s", o, exit, out.String())
		}
	}
}

func TestInheritedDescriptors(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	open := func(path string, flags int) int {
		fd, err := syscall.Open(path, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	kernel := open(writeGuest(t, guest.TargetHVT, "block"), syscall.O_RDONLY)
	disk := open(writeFile(t, "disk", strings.Repeat("d", 1024)), syscall.O_RDWR)
	kvm := open(os.DevNull, syscall.O_RDONLY)
	exit, out := tryMain(func(_ context.Context, u *Unikernel) (int, error) {
		if u.KVM.Int() != kvm || u.Devices[0].FD != int32(disk) || u.Devices[0].Capacity != 1024 || u.Devices[0].SectorSize != 512 {
			t.Errorf("%+v", u)
		}
		for _, fd := range []int{kernel, disk} {
			flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
			if flags&syscall.FD_CLOEXEC == 0 {
				t.Errorf("descriptor %d would be inherited", fd)
			}
		}
		return 0, nil
	}, fmt.Sprintf("--kvm=@%d", kvm), fmt.Sprintf("--block:storage=@%d", disk), fmt.Sprintf("@%d", kernel))
	if exit != 0 || out != "" {
		t.Errorf("exit %d: %s", exit, out)
	}
}

func TestWithSignals(t *testing.T) {
	ctx, stop := WithSignals(t.Context())
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if got := context.Cause(ctx).Error(); got != "exiting on signal 15 (terminated)" {
		t.Errorf("cause %q", got)
	}
	stop()
	ctx, stop = WithSignals(t.Context())
	if ctx.Err() != nil {
		t.Error("a new context has ended already")
	}
	stop()
	if ctx.Err() == nil {
		t.Error("a stopped context has not ended")
	}
}
