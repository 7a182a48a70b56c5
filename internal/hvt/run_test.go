package hvt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"albatross/guest"
	"albatross/internal/image"
	"albatross/internal/kvm"
	"albatross/internal/linux"
	"albatross/internal/testutil"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if act := os.Getenv(victimEnv); act != "" {
		os.Exit(beVictim(act))
	}
	goleak.VerifyTestMain(m)
}

// config returns what is needed to run an image with its output in a file.
func config(t testing.TB, elf []byte, args string) (Config, *os.File) {
	t.Helper()
	im, err := image.Read(bytes.NewReader(elf), int64(len(elf)))
	if err != nil {
		t.Fatal(err)
	}
	return imageConfig(t, im, bytes.NewReader(elf), args)
}

func imageConfig(t testing.TB, im *image.Image, file io.ReaderAt, args string) (Config, *os.File) {
	t.Helper()
	testutil.RequireKVM(t)
	sys, err := kvm.Open()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.CreateTemp(t.TempDir(), "console")
	if err != nil {
		t.Fatal(err)
	}
	console, err := linux.FromFile(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(sys.Close(), console.Close(), out.Close()); err != nil {
			t.Error(err)
		}
	})
	return Config{
		KVM: sys, Image: im, ImageFile: file,
		Memory: 16 << 20, CommandLine: args, Console: console,
	}, out
}

func guestConfig(t testing.TB, name, args string) (Config, *os.File) {
	t.Helper()
	elf, err := guest.Image(guest.TargetHVT, name)
	if err != nil {
		t.Fatal(err)
	}
	return config(t, elf, args)
}

func content(t testing.TB, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGuests(t *testing.T) {
	tests := []struct {
		name, args string
		exit       int
		err        string // in the error, if there is to be one
		out        string // in the console
	}{
		{"hello", "one two  three", 0, "", "arguments: one two  three\n"},
		{"exit", "0", 0, "", "exit: 0"},
		{"exit", "3", 3, "", "exit: 3"},
		{"exit", "255", 255, "", "exit: 255"},
		{"ticker", "--interval=5 --count=3", 0, "", "tick 3\n"},
		{"memory", "--mb=8", 0, "", ""},
		{"flood", "--bytes=100000", 0, "", "flood: done 100000 bytes\n"},
		{"crash", "null", 1, "triple fault", "crash: null\n"},
		{"crash", "text", 1, "host/guest translation fault", "crash: text\n"},
		{"crash", "data", 0, "", "crash: lived\n"},
		{"crash", "stack", 1, "host/guest translation fault", "crash: stack\n"},
		{"crash", "hypercall", 1, "hypercall PUTS: guest access at 0xfffffff0, 16 bytes: outside of guest memory", "crash: hypercall\n"},
		{"crash", "port", 1, "invalid guest port access: port=0x1234", "crash: port\n"},
		{"crash", "abort", 255, "", "crash: abort\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.args, func(t *testing.T) {
			testutil.NoLeakedFDs(t, os.Getpid())
			c, out := guestConfig(t, tt.name, tt.args)
			running := 0
			c.Running = func() { running++ }
			exit, err := Run(t.Context(), c)
			if exit != tt.exit || (err != nil) != (tt.err != "") {
				t.Fatalf("Run = %d, %v; want %d; console: %s", exit, err, tt.exit, content(t, out))
			}
			if err != nil && (!strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "rip=0x")) {
				t.Errorf("error %q does not contain %q", err, tt.err)
			}
			if got := content(t, out); !strings.Contains(got, tt.out) || strings.Contains(got, "lived") && tt.args != "data" {
				t.Errorf("console %q does not contain %q", got, tt.out)
			}
			if running != 1 {
				t.Errorf("Running was called %d times", running)
			}
		})
	}
}

func TestBlockGuest(t *testing.T) {
	const sectors, size = 20, 4096
	c, out := guestConfig(t, "block", "--beyond")
	disk := open(t, t.TempDir()+"/disk")
	defer disk.Close()
	if err := syscall.Ftruncate(disk.Int(), sectors*size); err != nil {
		t.Fatal(err)
	}
	handle, ok := c.Image.Manifest.Lookup("storage", image.KindBlock)
	if !ok {
		t.Fatal("the guest has no device storage")
	}
	c.Devices = []image.Attachment{{Handle: handle, FD: int32(disk.Int()), Capacity: sectors * size, SectorSize: size}}
	exit, err := Run(t.Context(), c)
	if exit != 0 || err != nil {
		t.Fatalf("Run = %d, %v: %s", exit, err, content(t, out))
	}
	for _, want := range []string{"81920 bytes in sectors of 4096", "20 sectors of 4096 bytes verified", "refused with EINVAL"} {
		if got := content(t, out); !strings.Contains(got, want) {
			t.Errorf("console %q does not contain %q", got, want)
		}
	}
	// The guest numbers its sectors: the last one has to be where it belongs.
	last := make([]byte, size)
	if _, err := disk.ReadAt(last, (sectors-1)*size); err != nil || binary.LittleEndian.Uint64(last) != sectors-1 {
		t.Errorf("the last sector starts with %x, %v", last[:8], err)
	}
}

func TestStop(t *testing.T) {
	for _, tt := range []struct{ name, args, ready string }{
		{"spin", "", "busy"},
		{"ticker", "--interval=86400000", "tick 1"},
		{"flood", "--patient", "brown fox"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, out := guestConfig(t, tt.name, tt.args)
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			stopped := when(ctx, func() bool { return strings.Contains(content(t, out), tt.ready) }, func() { cancel(cause) })
			exit, err := Run(ctx, c)
			if exit != 1 || !errors.Is(err, cause) {
				t.Errorf("Run = %d, %v", exit, err)
			}
			cancel(nil)
			<-stopped
		})
	}
}

// when calls then once cond holds, from a goroutine that has ended when the
// channel is closed; the end of ctx ends it, too.
func when(ctx context.Context, cond func() bool, then func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if cond() {
				then()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return done
}

func TestStopBeforeTheStart(t *testing.T) {
	c, out := guestConfig(t, "spin", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if exit, err := Run(ctx, c); exit != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %d, %v: %s", exit, err, content(t, out))
	}
}

// Nobody reads the console, which is a non-blocking pipe and full: the guest
// goes on.
func TestFloodOfANonBlockingPipe(t *testing.T) {
	c, _ := guestConfig(t, "flood", "--bytes=1000000")
	_, w := newPipe(t, syscall.O_NONBLOCK)
	c.Console = w
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// Its last line, for which it is patient, is lost as well: exit status 0
	// as PUTS does not tell.
	if exit, err := Run(ctx, c); exit != 0 || err != nil {
		t.Errorf("Run = %d, %v", exit, err)
	}
}

func TestStopWhileTheConsoleBlocks(t *testing.T) {
	c, _ := guestConfig(t, "flood", "")
	r, w := newPipe(t, 0)
	c.Console = w
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := when(ctx, func() bool { return unread(t, r) >= 60<<10 }, cancel)
	if exit, err := Run(ctx, c); exit != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %d, %v", exit, err)
	}
	cancel()
	<-stopped
}

// unread returns the number of bytes in a pipe.
func unread(t testing.TB, r *linux.FD) int {
	const fionread = 0x541b
	var n int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(r.Int()), fionread, uintptr(unsafe.Pointer(&n))); errno != 0 {
		t.Error(errno)
	}
	return int(n)
}
