package hvt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"albatross/internal/image"
	"albatross/internal/kvm"
	"albatross/internal/linux"
	"albatross/internal/seccomp"
	"albatross/internal/testutil"
)

// A victim is this test binary as a process of its own: a tender that has set a
// guest up, confines itself, and then does one thing, that is taken from its
// environment. On standard error it tells how far it came.
const (
	victimEnv = "ALBATROSS_TEST_VICTIM"

	saysConfined = "confined\n"
	saysLived    = "lived\n"

	tellDuration = "tell how long confining took"
)

// victim is what it has.
type victim struct {
	*machine
	system    *kvm.System
	null      int // a descriptor that no guest was given
	parent    int
	page      uintptr // of memory that is not Go's
	confining time.Duration
}

// beVictim is the main function of a victim.
func beVictim(name string) (exit int) {
	runtime.LockOSThread()
	v, err := newVictim(name)
	if err == nil {
		began := time.Now()
		err = v.confine()
		v.confining = time.Since(began)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	say(saysConfined)
	if name == tellDuration {
		say(v.confining.String() + "\n")
		return 0
	}
	if err := v.act(name); err != nil {
		say(err.Error() + "\n")
		return 4
	}
	say(saysLived)
	return 0
}

// act does what the name says, and returns if that is not the end.
func (v *victim) act(name string) error {
	if call, ok := forbidden[name]; ok {
		nr, args := call(v)
		r, _, errno := syscall.RawSyscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
		return fmt.Errorf("system call %d: %d, %w", nr, r, errno)
	}
	if do, ok := permitted[name]; ok {
		return do(v)
	}
	if d, ok := deaths[name]; ok {
		d.die()
		return nil
	}
	return fmt.Errorf("a victim does not know how to do %q", name)
}

// say writes with a single system call, unlike what waits for its poller.
func say(text string) { _, _ = syscall.Write(syscall.Stderr, []byte(text)) }

// newVictim makes a machine with a block device, a network and a console that
// blocks; nobody is at their other ends.
func newVictim(name string) (*victim, error) {
	v := &victim{parent: os.Getppid()}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return nil, err
	}
	c, err := v.config()
	if err != nil {
		return nil, err
	}
	calls := uint32(3)
	if name == endless {
		calls = math.MaxUint32
	}
	im, file := loopImage(hypercallWalltime, calls)
	im.Manifest.Devices = append(im.Manifest.Devices,
		image.Device{Name: "storage", Kind: image.KindBlock}, image.Device{Name: "service", Kind: image.KindNet})
	c.Image, c.ImageFile = im, bytes.NewReader(file)
	v.machine, err = newMachine(c)
	return v, err
}

// config opens what a tender is given.
func (v *victim) config() (c Config, err error) {
	if v.system, err = kvm.Open(); err != nil {
		return c, err
	}
	if v.null, err = syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
		return c, err
	}
	page, err := syscall.Mmap(-1, 0, pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return c, err
	}
	v.page = uintptr(unsafe.Pointer(unsafe.SliceData(page)))
	block, err := linux.Memfd("block")
	if err != nil {
		return c, err
	}
	if err := syscall.Ftruncate(block.Int(), capacity); err != nil {
		return c, err
	}
	tap, err := frames()
	if err != nil {
		return c, err
	}
	var console [2]int
	if err := syscall.Pipe2(console[:], syscall.O_CLOEXEC); err != nil {
		return c, err
	}
	return Config{KVM: v.system, Memory: MinMemory, Console: linux.NewFD(console[1]), Devices: []image.Attachment{
		{Handle: blockHandle, FD: int32(block.Int()), Capacity: capacity, SectorSize: 512},
		{Handle: netHandle, FD: int32(tap), MTU: 1500},
	}}, nil
}

// framesWaiting is how many frames a victim's network has received.
const framesWaiting = 5

// frames returns what stands for a tap: a socket that keeps the bounds of frames.
func frames() (tap int, err error) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	for range framesWaiting {
		if _, err := syscall.Write(ends[1], make([]byte, 60)); err != nil {
			return -1, err
		}
	}
	return ends[0], nil
}

// fd is the descriptor behind a handle.
func (v *victim) fd(handle int) uintptr { return uintptr(v.devices[handle].fd.Int()) }

// victimProgram returns the program that victims are. Where this one is linked
// with cgo, which a tender is not, it is built again without.
func victimProgram(t testing.TB) string {
	t.Helper()
	testutil.RequireKVM(t)
	if !iscgo {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return self
	}
	program := filepath.Join(t.TempDir(), "victim")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building victims without cgo: %v: %s", err, out)
	}
	return program
}

// runVictim runs a victim to its end. What it said comes without its first line.
func runVictim(t testing.TB, program, name string, environ ...string) (ws syscall.WaitStatus, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append([]string{victimEnv + "=" + name}, environ...)
	cmd.Stderr = &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	said, ok := strings.CutPrefix(out.String(), saysConfined)
	if !ok {
		t.Fatalf("it was not confined: %v: %s", cmd.ProcessState, out.String())
	}
	return cmd.ProcessState.Sys().(syscall.WaitStatus), said
}

// As many devices as an image can have do not make the filter too long.
func TestFilterOfManyDevices(t *testing.T) {
	for _, kind := range []image.Kind{image.KindBlock, image.KindNet} {
		rules := runtimeRules(os.Getpid(), []int{1000, 1001})
		for fd := range image.MaxEntries {
			d := device{kind: kind, fd: linux.NewFD(2000 + fd), capacity: 1 << 40}
			rules = append(rules, d.rules()...)
		}
		if _, err := seccomp.Compile(rules); err != nil {
			t.Errorf("%v devices: %v", kind, err)
		}
	}
}

// Every system call that is not needed kills, wherever it comes from.
func TestForbidden(t *testing.T) {
	program := victimProgram(t)
	for name := range forbidden {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws, said := runVictim(t, program, name)
			if !ws.Signaled() || ws.Signal() != syscall.SIGSYS || said != "" {
				t.Errorf("it ended with %#x, said %q; want death by SIGSYS", ws, said)
			}
		})
	}
}

// What is needed works, however many processors the runtime takes and however it
// gives memory back.
func TestPermitted(t *testing.T) {
	program := victimProgram(t)
	for name := range permitted {
		for _, setting := range []string{"GOMAXPROCS=1", "GOMAXPROCS=2", "", "GODEBUG=harddecommit=1,madvdontneed=1"} {
			t.Run(name+" "+setting, func(t *testing.T) {
				t.Parallel()
				if ws, said := runVictim(t, program, name, setting); ws != 0 || said != saysLived {
					t.Errorf("it ended with %#x, said %q", ws, said)
				}
			})
		}
	}
}

// The runtime of Go has its say when it crashes.
func TestDeaths(t *testing.T) {
	program := victimProgram(t)
	for name, tt := range deaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws, said := runVictim(t, program, name, tt.environ)
			if ws != tt.want || !strings.Contains(said, tt.says) || strings.Contains(said, saysLived) {
				t.Errorf("it ended with %#x, want %#x; said %q, want %q", ws, tt.want, said, tt.says)
			}
		})
	}
}

// BenchmarkConfine is what confining adds to the start of a tender, as µs-confine;
// the rest is what else the victim takes.
func BenchmarkConfine(b *testing.B) {
	program := victimProgram(b)
	var sum time.Duration
	for b.Loop() {
		_, said := runVictim(b, program, tellDuration)
		took, err := time.ParseDuration(strings.TrimSpace(said))
		if err != nil {
			b.Fatal(err)
		}
		sum += took
	}
	b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "µs-confine")
}
