package hvt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"albatross/internal/guestmem"
	"albatross/internal/image"
	"albatross/internal/linux"
)

// Handles of the devices of a test machine.
const (
	blockHandle = 1
	netHandle   = 2
	capacity    = 4096
)

const (
	argAddr  = 0x110000 // where tests put arguments
	dataAddr = 0x120000 // and buffers
	textAddr = guestBase
)

// testMachine has everything but a processor: answer can be called. The block
// device is a file, the network a socket pair that keeps the bounds of frames,
// of which the other end is returned; the console is a file, too.
type testMachine struct {
	*machine
	peer           *linux.FD
	block, console string // paths
}

func newTestMachine(t testing.TB) *testMachine {
	t.Helper()
	dir := t.TempDir()
	m := &testMachine{
		machine: &machine{mem: newMemory(t, MinMemory)},
		block:   filepath.Join(dir, "block"), console: filepath.Join(dir, "console"),
	}
	if err := errors.Join(m.mem.Guard(0, guestBase), m.mem.Freeze(textAddr, textAddr+pageSize)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.block, bytes.Repeat([]byte("b"), capacity), 0o600); err != nil {
		t.Fatal(err)
	}
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.peer = linux.NewFD(ends[0])
	im := testImage()
	im.Manifest.Devices = append(im.Manifest.Devices,
		image.Device{Name: "storage", Kind: image.KindBlock}, image.Device{Name: "service", Kind: image.KindNet})
	tap, file, console := linux.NewFD(ends[1]), open(t, m.block), open(t, m.console)
	err = m.attach(Config{Image: im, Console: console, Devices: []image.Attachment{
		{Handle: blockHandle, FD: int32(file.Int()), Capacity: capacity, SectorSize: 512},
		{Handle: netHandle, FD: int32(tap.Int()), MTU: 1500},
	}})
	t.Cleanup(func() {
		mem := m.mem
		m.mem = nil // closed by newMemory
		err := errors.Join(m.close(), tap.Close(), m.peer.Close(), file.Close(), console.Close())
		m.mem = mem
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t testing.TB, path string) *linux.FD {
	t.Helper()
	raw, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return linux.NewFD(raw)
}

// words is an argument of 8-byte fields.
func words(fields ...uint64) []byte {
	var b []byte
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint64(b, f)
	}
	return b
}

// call puts an argument at argAddr and does the hypercall.
func (m *testMachine) call(nr hypercall, fields ...uint64) error {
	copy(m.mem.Bytes()[argAddr:], words(fields...))
	return m.answer(nr, argAddr)
}

// ret returns the field ret at off of the last call.
func (m *testMachine) ret(off int) result {
	return result(binary.LittleEndian.Uint32(m.mem.Bytes()[argAddr+off:]))
}

func TestBlock(t *testing.T) {
	const end = math.MaxUint64
	tests := []struct {
		name                    string
		handle, offset, data, n uint64
		want                    result
		fatal                   error // of a write; a read may differ
	}{
		{"first sector", blockHandle, 0, dataAddr, 512, resultOK, nil},
		{"last sector", blockHandle, capacity - 512, dataAddr, 512, resultOK, nil},
		{"all at once", blockHandle, 0, dataAddr, capacity, resultOK, nil},
		{"nothing", blockHandle, 0, dataAddr, 0, resultOK, nil},
		{"behind the end", blockHandle, capacity, dataAddr, 512, resultInvalid, nil},
		{"across the end", blockHandle, capacity - 512, dataAddr, 513, resultInvalid, nil},
		{"nothing behind the end", blockHandle, capacity, dataAddr, 0, resultInvalid, nil},
		{"offset wraps", blockHandle, end - 511, dataAddr, 512, resultInvalid, nil},
		{"length wraps", blockHandle, 512, dataAddr, end - 511, resultInvalid, nil},
		{"reserved handle", 0, 0, dataAddr, 512, resultInvalid, nil},
		{"network handle", netHandle, 0, dataAddr, 512, resultInvalid, nil},
		{"no handle", 3, 0, dataAddr, 512, resultInvalid, nil},
		{"huge handle", end, 0, dataAddr, 512, resultInvalid, nil},
		{"bad handle and bad buffer", 3, 0, end, 512, resultInvalid, nil},
		{"buffer behind memory", blockHandle, 0, MinMemory, 512, 0, guestmem.ErrOutside},
		{"buffer across the end", blockHandle, 0, MinMemory - 511, 512, 0, guestmem.ErrOutside},
		{"buffer wraps", blockHandle, 0, end, 512, 0, guestmem.ErrOutside},
	}
	for _, tt := range tests {
		for nr, op := range map[hypercall]string{hypercallBlockWrite: "write", hypercallBlockRead: "read"} {
			t.Run(tt.name+"/"+op, func(t *testing.T) {
				m := newTestMachine(t)
				copy(m.mem.Bytes()[dataAddr:], bytes.Repeat([]byte("g"), capacity))
				err := m.call(nr, tt.handle, tt.offset, tt.data, tt.n, 99)
				if !errors.Is(err, tt.fatal) {
					t.Fatalf("error %v, want %v", err, tt.fatal)
				}
				if got := m.ret(32); err == nil && got != tt.want {
					t.Fatalf("result %d, want %d", got, tt.want)
				}
				disk, memory := m.blockContent(t), bytes.Count(m.mem.Bytes()[dataAddr:dataAddr+capacity], []byte("g"))
				wrote, read := 0, 0
				if err == nil && tt.want == resultOK {
					if nr == hypercallBlockWrite {
						wrote = int(tt.n)
					} else {
						read = int(tt.n)
					}
				}
				if got := bytes.Count(disk, []byte("g")); got != wrote || len(disk) != capacity {
					t.Errorf("the device has %d bytes, %d of them of the guest; want %d", len(disk), got, wrote)
				}
				if memory != capacity-read {
					t.Errorf("%d bytes of the buffer were overwritten, want %d", capacity-memory, read)
				}
			})
		}
	}
}

func (m *testMachine) blockContent(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(m.block)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A read into text would be a SIGSEGV if it were not noticed.
func TestReadIntoReadOnlyMemory(t *testing.T) {
	m := newTestMachine(t)
	for _, data := range []uint64{textAddr, bootInfoBase, ptBase, textAddr + pageSize - 1} {
		if err := m.call(hypercallBlockRead, blockHandle, 0, data, 512); !errors.Is(err, guestmem.ErrReadOnly) {
			t.Errorf("BLOCK_READ to 0x%x: %v", data, err)
		}
		if err := m.call(hypercallNetRead, netHandle, data, 512); !errors.Is(err, guestmem.ErrReadOnly) {
			t.Errorf("NET_READ to 0x%x: %v", data, err)
		}
		if err := m.call(hypercallBlockWrite, blockHandle, 0, data, 512); err != nil {
			t.Errorf("BLOCK_WRITE from 0x%x: %v", data, err)
		}
	}
}

func TestArgumentOutsideOfMemory(t *testing.T) {
	m := newTestMachine(t)
	sizes := map[hypercall]uint64{
		hypercallWalltime: sizeWalltime, hypercallPuts: sizePuts, hypercallPoll: sizePoll,
		hypercallBlockWrite: sizeBlock, hypercallBlockRead: sizeBlock,
		hypercallNetWrite: sizeNet, hypercallNetRead: sizeNet, hypercallHalt: sizeHalt,
	}
	do := func(nr hypercall, arg uint64) error {
		if nr == hypercallHalt {
			_, err := m.halt(arg)
			return err
		}
		return m.answer(nr, arg)
	}
	for nr, size := range sizes {
		for _, arg := range []uint64{MinMemory, MinMemory - size + 1, math.MaxUint32, math.MaxUint32 - 7, math.MaxUint64} {
			if err := do(nr, arg); !errors.Is(err, guestmem.ErrOutside) {
				t.Errorf("%v(0x%x): %v, want ErrOutside", nr, arg, err)
			}
		}
		clear(m.mem.Bytes()[MinMemory-size:])
		if err := do(nr, MinMemory-size); err != nil {
			t.Errorf("%v at the end of memory: %v", nr, err)
		}
		hasResult := nr != hypercallPuts && nr != hypercallHalt
		if err := do(nr, textAddr); hasResult != errors.Is(err, guestmem.ErrReadOnly) {
			t.Errorf("%v(text): %v", nr, err)
		}
	}
	if err := m.answer(9, argAddr); err == nil {
		t.Error("hypercall 9 was answered")
	}
}

func TestWalltime(t *testing.T) {
	m := newTestMachine(t)
	before := uint64(time.Now().UnixNano())
	if err := m.call(hypercallWalltime, 0); err != nil {
		t.Fatal(err)
	}
	after := uint64(time.Now().UnixNano())
	if got, _ := m.mem.Uint64(argAddr); got < before || got > after {
		t.Errorf("WALLTIME is %d, not in [%d, %d]", got, before, after)
	}
}

func TestPuts(t *testing.T) {
	m := newTestMachine(t)
	copy(m.mem.Bytes()[dataAddr:], "hello, console\n")
	if err := m.call(hypercallPuts, dataAddr, 15); err != nil {
		t.Fatal(err)
	}
	if err := m.call(hypercallPuts, 0, 0); err != nil {
		t.Errorf("printing nothing: %v", err)
	}
	for _, bad := range [][2]uint64{{MinMemory, 1}, {MinMemory - 1, 2}, {8, math.MaxUint64}, {math.MaxUint64, 8}} {
		if err := m.call(hypercallPuts, bad[0], bad[1]); !errors.Is(err, guestmem.ErrOutside) {
			t.Errorf("PUTS of 0x%x, %d: %v", bad[0], bad[1], err)
		}
	}
	if got, err := os.ReadFile(m.console); err != nil || string(got) != "hello, console\n" {
		t.Errorf("console has %q, %v", got, err)
	}
}

func TestHalt(t *testing.T) {
	m := newTestMachine(t)
	tests := []struct {
		cookie uint64
		ok     bool
	}{
		{0, true},
		{dataAddr, true},
		{MinMemory - haltCookieSize, true},
		{MinMemory - haltCookieSize + 1, false},
		{math.MaxUint64, false},
	}
	for _, tt := range tests {
		copy(m.mem.Bytes()[argAddr:], words(tt.cookie, 0xffff_ffff_0000_0103))
		status, err := m.halt(argAddr)
		if tt.ok != (err == nil) || tt.ok && status != 0x103 {
			t.Errorf("cookie 0x%x: status %d, %v", tt.cookie, status, err)
		}
	}
}

func TestNet(t *testing.T) {
	m := newTestMachine(t)
	frame := bytes.Repeat([]byte("f"), 60)
	copy(m.mem.Bytes()[dataAddr:], frame)
	if err := m.call(hypercallNetWrite, netHandle, dataAddr, 60, 99); err != nil || m.ret(24) != resultOK {
		t.Fatalf("NET_WRITE: %d, %v", m.ret(24), err)
	}
	got := make([]byte, 100)
	if n, err := m.peer.Read(got); err != nil || !bytes.Equal(got[:n], frame) {
		t.Fatalf("peer got %q, %v", got[:n], err)
	}
	if err := m.call(hypercallNetRead, netHandle, dataAddr, 1514, 99); err != nil || m.ret(24) != resultAgain {
		t.Errorf("NET_READ without a frame: %d, %v", m.ret(24), err)
	}
	if _, err := m.peer.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if err := m.call(hypercallNetRead, netHandle, dataAddr, 1514, 99); err != nil || m.ret(24) != resultOK {
		t.Fatalf("NET_READ: %d, %v", m.ret(24), err)
	}
	n, _ := m.mem.Uint64(argAddr + 16)
	if got := m.mem.Bytes()[dataAddr : dataAddr+n]; string(got) != "answer" {
		t.Errorf("the guest got %q", got)
	}
	for _, handle := range []uint64{0, blockHandle, 3, math.MaxUint64} {
		for _, nr := range []hypercall{hypercallNetRead, hypercallNetWrite} {
			if err := m.call(nr, handle, math.MaxUint64, 60, 99); err != nil || m.ret(24) != resultInvalid {
				t.Errorf("%v of handle %d: %d, %v", nr, handle, m.ret(24), err)
			}
		}
	}
	for _, nr := range []hypercall{hypercallNetRead, hypercallNetWrite} {
		if err := m.call(nr, netHandle, MinMemory-1, 2); !errors.Is(err, guestmem.ErrOutside) {
			t.Errorf("%v outside of memory: %v", nr, err)
		}
	}
}

// A guest that sends faster than the host takes loses frames, no more.
func TestNetWriteWithoutRoom(t *testing.T) {
	m := newTestMachine(t)
	for range 10_000 {
		if err := m.call(hypercallNetWrite, netHandle, dataAddr, 1514, 99); err != nil || m.ret(24) != resultOK {
			t.Fatalf("NET_WRITE: %d, %v", m.ret(24), err)
		}
	}
	if err := m.peer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.call(hypercallNetWrite, netHandle, dataAddr, 60, 99); err != nil || m.ret(24) != resultFailed {
		t.Errorf("NET_WRITE to nobody: %d, %v", m.ret(24), err)
	}
}

func TestPoll(t *testing.T) {
	m := newTestMachine(t)
	poll := func(timeout uint64) (ready uint64, n result) {
		t.Helper()
		if err := m.call(hypercallPoll, timeout, 99, 99); err != nil {
			t.Fatal(err)
		}
		ready, _ = m.mem.Uint64(argAddr + 8)
		return ready, m.ret(16)
	}
	if ready, n := poll(0); ready != 0 || n != 0 {
		t.Errorf("POLL 0: %x, %d", ready, n)
	}
	start := time.Now()
	if ready, n := poll(30e6); ready != 0 || n != 0 {
		t.Errorf("POLL 30 ms: %x, %d", ready, n)
	}
	if d := time.Since(start); d < 30*time.Millisecond {
		t.Errorf("POLL of 30 ms returned after %v", d)
	}
	if ready, n := poll(1); ready != 0 || n != 0 {
		t.Errorf("POLL 1 ns: %x, %d", ready, n)
	}
	if _, err := m.peer.Write([]byte("frame")); err != nil {
		t.Fatal(err)
	}
	for _, timeout := range []uint64{0, 1, 1e18, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		if ready, n := poll(timeout); ready != 1<<netHandle || n != 1 {
			t.Errorf("POLL %d with a frame: %x, %d", timeout, ready, n)
		}
	}
}

func TestPollEndsWhenStopped(t *testing.T) {
	m := newTestMachine(t)
	go m.stopper.stop()
	for range 2 {
		if err := m.call(hypercallPoll, math.MaxUint64, 99, 99); err != nil || m.ret(16) != 0 {
			t.Errorf("POLL: %d, %v", m.ret(16), err)
		}
	}
}

// Whatever a guest puts into an argument, the tender answers or refuses.
func FuzzHypercall(f *testing.F) {
	f.Add(uint16(hypercallPuts), uint32(argAddr), words(dataAddr, 5))
	f.Add(uint16(hypercallPoll), uint32(argAddr), words(0, 0, 0))
	f.Add(uint16(hypercallBlockRead), uint32(argAddr), words(blockHandle, 512, dataAddr, 512, 0))
	f.Add(uint16(hypercallBlockWrite), uint32(argAddr), words(blockHandle, 512, argAddr-8, 512, 0))
	f.Add(uint16(hypercallNetRead), uint32(argAddr), words(netHandle, argAddr, 64, 0))
	f.Add(uint16(hypercallNetWrite), uint32(argAddr), words(netHandle, textAddr, 60, 0))
	f.Add(uint16(hypercallWalltime), uint32(textAddr), words())
	f.Add(uint16(hypercallHalt), uint32(argAddr), words(MinMemory-1, 3))
	m := newTestMachine(f)
	m.stopper.stop() // so that POLL does not wait
	readOnly := bytes.Clone(m.mem.Bytes()[:textAddr+pageSize])
	frame := make([]byte, 2048)
	f.Fuzz(func(t *testing.T, nr uint16, arg uint32, argument []byte) {
		copy(m.mem.Bytes()[argAddr:argAddr+64], argument)
		if arg%16 != 0 { // most of the time, let it find the fuzzer's bytes
			arg = argAddr + arg%64
		}
		if hypercall(nr) == hypercallHalt {
			_, _ = m.halt(uint64(arg))
		} else {
			_ = m.answer(hypercall(nr%10), uint64(arg))
		}
		if !bytes.Equal(readOnly, m.mem.Bytes()[:len(readOnly)]) {
			t.Fatal("read-only memory was changed")
		}
		for {
			if _, err := m.peer.Read(frame); err != nil {
				break
			}
		}
		if fi, err := os.Stat(m.block); err != nil || fi.Size() != capacity {
			t.Fatalf("the block device was changed to %d bytes, %v", fi.Size(), err)
		}
	})
}
