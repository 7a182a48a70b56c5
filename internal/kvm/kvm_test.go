package kvm

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

func TestAdoptRefusesOtherFiles(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := linux.FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Adopt(fd); !errors.Is(err, syscall.ENOTTY) || !strings.Contains(err.Error(), Device) {
		t.Errorf("Adopt(/dev/null) = %v", err)
	}
	if fd.Int() >= 0 {
		t.Error("a refused descriptor was left open")
	}
	if _, err := Adopt(linux.NewFD(-1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Adopt of a closed descriptor: %v", err)
	}
}

// startGuest makes a guest of 64 KB of 16-bit machine code, which is entered at
// address 0x1000 in real mode.
func startGuest(t testing.TB, code ...byte) (*VCPU, []byte) {
	t.Helper()
	testutil.RequireKVM(t)
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	mem, err := syscall.Mmap(-1, 0, 1<<16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	copy(mem[0x1000:], code)
	sys, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close()
	vm, err := sys.CreateVM()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vm.Close() })
	if err := vm.SetMemory(0, 0, mem); err != nil {
		t.Fatal(err)
	}
	cpu, err := vm.CreateVCPU(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cpu.Close(); err != nil {
			t.Error(err)
		}
	})
	id, err := sys.SupportedCPUID()
	if err != nil || id.Entries() == 0 {
		t.Fatalf("SupportedCPUID: %d entries, %v", id.Entries(), err)
	}
	if err := cpu.SetCPUID(id); err != nil {
		t.Fatal(err)
	}
	code16 := Segment{Limit: 0xffff, Type: 11, Present: 1, S: 1}
	data16 := Segment{Limit: 0xffff, Type: 3, Present: 1, S: 1}
	sregs := Sregs{
		CS: code16, DS: data16, ES: data16, FS: data16, GS: data16, SS: data16,
		TR: Segment{Limit: 0xffff, Type: 11, Present: 1}, LDT: Segment{Unusable: 1},
		CR0: 1 << 4,
	}
	if err := cpu.SetSregs(&sregs); err != nil {
		t.Fatal(err)
	}
	if err := cpu.SetRegs(&Regs{RIP: 0x1000, RAX: 0x11223344, RDX: 0x501, RFLAGS: 2}); err != nil {
		t.Fatal(err)
	}
	return cpu, mem
}

func TestExits(t *testing.T) {
	tests := []struct {
		name   string
		code   []byte
		reason ExitReason
		check  func(*testing.T, *VCPU)
	}{
		{"out 32", []byte{0x66, 0xef}, ExitIO, wantIO(IO{Out: true, Size: 4, Port: 0x501, Count: 1, Data: 0x11223344})},
		{"out 16", []byte{0xef}, ExitIO, wantIO(IO{Out: true, Size: 2, Port: 0x501, Count: 1, Data: 0x3344})},
		{"out 8", []byte{0xee}, ExitIO, wantIO(IO{Out: true, Size: 1, Port: 0x501, Count: 1, Data: 0x44})},
		{"in 32", []byte{0x66, 0xed}, ExitIO, wantIO(IO{Size: 4, Port: 0x501, Count: 1})},
		{"hlt", []byte{0xf4}, ExitHLT, nil},
		// mov [0x2000:0x0], al with ds = 0x2000, behind the memory of 64 KB
		{"store to nowhere", []byte{0xbb, 0x00, 0x20, 0x8e, 0xdb, 0xa2, 0x07, 0x00}, ExitMMIO, func(t *testing.T, c *VCPU) {
			want := MMIO{Write: true, Addr: 0x20007, Len: 1, Data: 0x44}
			if got := c.MMIO(); got != want {
				t.Errorf("MMIO = %+v, want %+v", got, want)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cpu, _ := startGuest(t, tt.code...)
			reason, err := cpu.Run()
			if err != nil || reason != tt.reason {
				t.Fatalf("Run = %v, %v; want %v", reason, err, tt.reason)
			}
			if tt.check != nil {
				tt.check(t, cpu)
			}
		})
	}
}

func wantIO(want IO) func(*testing.T, *VCPU) {
	return func(t *testing.T, c *VCPU) {
		if got := c.IO(); got != want {
			t.Errorf("IO = %+v, want %+v", got, want)
		}
	}
}

func TestRegsMoveOn(t *testing.T) {
	cpu, mem := startGuest(t, 0xa2, 0x34, 0x12, 0xf4) // mov [0x1234], al; hlt
	if reason, err := cpu.Run(); err != nil || reason != ExitHLT {
		t.Fatalf("Run = %v, %v", reason, err)
	}
	regs, err := cpu.Regs()
	if err != nil {
		t.Fatal(err)
	}
	if regs.RIP != 0x1004 || regs.RAX != 0x11223344 {
		t.Errorf("rip 0x%x, rax 0x%x", regs.RIP, regs.RAX)
	}
	if mem[0x1234] != 0x44 {
		t.Errorf("the guest's store did not arrive")
	}
}

func TestStopBeforeRun(t *testing.T) {
	cpu, _ := startGuest(t, 0xf4)
	for range 2 {
		if err := cpu.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cpu.Run(); !errors.Is(err, ErrStopped) {
		t.Errorf("Run after Stop: %v", err)
	}
}

// A guest that never exits must not keep the runtime from stopping the world,
// nor Stop from stopping it, even with one processor.
func TestStopASpinningGuest(t *testing.T) {
	for _, procs := range []int{1, 2} {
		cpu, _ := startGuest(t, 0xeb, 0xfe) // jmp .
		old := runtime.GOMAXPROCS(procs)
		stopped := make(chan error, 1)
		go func() {
			for range 3 {
				runtime.GC()
			}
			stopped <- cpu.Stop()
		}()
		_, err := cpu.Run()
		runtime.GOMAXPROCS(old)
		if !errors.Is(err, ErrStopped) {
			t.Errorf("Run with %d processors: %v", procs, err)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}

func TestRunFaultsOnFrozenMemory(t *testing.T) {
	cpu, mem := startGuest(t, 0xa2, 0x34, 0x22, 0xf4) // mov [0x2234], al; hlt
	if err := syscall.Mprotect(mem[0x2000:0x3000], syscall.PROT_READ); err != nil {
		t.Fatal(err)
	}
	reason, err := cpu.Run()
	if !errors.Is(err, syscall.EFAULT) && reason != ExitMMIO {
		t.Errorf("Run = %v, %v; want EFAULT or MMIO", reason, err)
	}
	if mem[0x2234] != 0 {
		t.Error("the store arrived")
	}
}

func TestTSCFrequency(t *testing.T) {
	cpu, _ := startGuest(t, 0xf4)
	if hz, err := cpu.TSCFrequency(); err != nil || hz < 1e6 {
		t.Errorf("TSCFrequency = %d, %v", hz, err)
	}
}

// The data offset comes from the kernel, so nothing can be done about a wrong
// one but not to follow it.
func TestIODataOffset(t *testing.T) {
	shared := make([]byte, 4096)
	cpu := &VCPU{shared: shared, run: (*runPage)(unsafe.Pointer(&shared[0]))}
	for _, at := range []uint64{4093, 4096, 1 << 63, ^uint64(0)} {
		d := cpu.run.detail[:]
		d[0], d[1] = 1, 4
		binary.LittleEndian.PutUint64(d[8:], at)
		if got := cpu.IO(); got.Data != 0 || got.Size != 4 {
			t.Errorf("offset %d: %+v", at, got)
		}
	}
}

func TestLacksVirtualisation(t *testing.T) {
	tests := []struct {
		name, cpuinfo string
		want          bool
	}{
		{"intel", "processor\t: 0\nflags\t\t: fpu vmx sse\nbugs\t: x\n", false},
		{"amd", "flags : svm\n", false},
		{"neither", "model name\t: vmx svm\nflags\t\t: fpu svm_lock\nvmx flags\t: vnmi\n", true},
		{"no flags line", "processor : 0\n", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		if got := lacksVirtualisation(strings.NewReader(tt.cpuinfo)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestExitReasonString(t *testing.T) {
	if s := ExitShutdown.String(); s != "SHUTDOWN" {
		t.Error(s)
	}
	if s := ExitReason(99).String(); s != "reason 99" {
		t.Error(s)
	}
}

// BenchmarkRoundTrip is one exit to the tender and back.
func BenchmarkRoundTrip(b *testing.B) {
	cpu, _ := startGuest(b, 0xee, 0xeb, 0xfd) // out dx, al; jmp -3
	for b.Loop() {
		if reason, err := cpu.Run(); err != nil || reason != ExitIO {
			b.Fatal(reason, err)
		}
	}
}
