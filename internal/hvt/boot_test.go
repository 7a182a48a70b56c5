package hvt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"albatross/internal/guestmem"
	"albatross/internal/image"
)

func newMemory(t testing.TB, size uint64) *guestmem.Memory {
	t.Helper()
	mem, err := guestmem.New(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mem.Close(); err != nil {
			t.Error(err)
		}
	})
	return mem
}

func TestRoundMemory(t *testing.T) {
	const mb = 1 << 20
	tests := []struct {
		ask, want uint64
		ok        bool
	}{
		{0, 2 * mb, true},
		{1 * mb, 2 * mb, true},
		{2 * mb, 2 * mb, true},
		{33 * mb, 32 * mb, true},
		{4096 * mb, 4096 * mb, true},
		{4096*mb - 1, 4094 * mb, true},
		{4096*mb + 1, 0, false},
		{math.MaxUint64, 0, false},
	}
	for _, tt := range tests {
		got, err := RoundMemory(tt.ask)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("RoundMemory(%d) = %d, %v", tt.ask, got, err)
		}
	}
}

// The constants come from hvt_cpu_x86_64.h, worked out by hand.
func TestGDT(t *testing.T) {
	mem := make([]byte, guestBase)
	writeGDT(mem)
	for i, want := range []uint64{0, 0x00af99000000ffff, 0x00cf93000000ffff} {
		if got := binary.LittleEndian.Uint64(mem[gdtBase+8*i:]); got != want {
			t.Errorf("descriptor %d is 0x%016x, want 0x%016x", i, got, want)
		}
	}
}

// access walks the page tables as the processor does.
func access(mem []byte, addr uint64) (phys uint64, present, writable bool) {
	le := binary.LittleEndian
	writable = true
	table := uint64(pml4Base)
	for level, shift := range []int{39, 30, 21, 12} {
		e := le.Uint64(mem[table+addr>>shift&511*8:])
		if e&ptePresent == 0 {
			return 0, false, false
		}
		writable = writable && e&pteWritable != 0
		base := e &^ 0xfff
		if level == 2 && e&pteLarge != 0 {
			return base | addr&(largePageSize-1), true, writable
		}
		table = base
	}
	return table | addr&0xfff, true, writable
}

func TestPageTables(t *testing.T) {
	for _, size := range []uint64{MinMemory, 32 << 20, 1<<30 + largePageSize, MaxMemory} {
		mem := newMemory(t, size).Bytes()
		writePageTables(mem)
		addrs := []uint64{
			0, 0xfff, gdtBase, pml4Base, ptBase, bootInfoBase - 1, bootInfoBase, guestBase - 1, guestBase,
			largePageSize - 1, largePageSize, 1<<30 - 1, 1 << 30, 3 << 30, size - 1, size, size + largePageSize, 1<<32 - 1, 1 << 32, 1 << 39, 1 << 46,
		}
		for _, a := range addrs {
			phys, present, writable := access(mem, a)
			wantPresent := a >= bootInfoBase && a < size
			wantWritable := a >= guestBase && a < size
			if present != wantPresent || writable != wantWritable || present && phys != a {
				t.Errorf("memory %d MB, address 0x%x: 0x%x, present %v, writable %v", size>>20, a, phys, present, writable)
			}
		}
	}
}

func TestBootInfo(t *testing.T) {
	mem := make([]byte, guestBase)
	for i := range mem {
		mem[i] = 0xaa
	}
	clear(mem[bootInfoBase : bootInfoBase+bootInfoSize])
	line := strings.Repeat("x", cmdlineSize-1)
	info := bootInfo{32 << 20, 0x123000, 2_596_132_000, bytes.Repeat([]byte{7}, 112), line}
	if err := info.put(mem); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	const manifest, cmdline = bootInfoBase + 56, bootInfoBase + 56 + 112
	for i, want := range []uint64{32 << 20, 0x123000, 2_596_132_000, cmdline, manifest, 0, 0} {
		if got := le.Uint64(mem[bootInfoBase+8*i:]); got != want {
			t.Errorf("field %d is 0x%x, want 0x%x", i, got, want)
		}
	}
	if !bytes.Equal(mem[manifest:cmdline], info.manifest) || string(mem[cmdline:cmdline+cmdlineSize-1]) != line {
		t.Error("manifest or command line is not where it was said to be")
	}
	if mem[cmdline+cmdlineSize-1] != 0 || mem[cmdline+cmdlineSize] != 0xaa || mem[bootInfoBase-1] != 0xaa {
		t.Error("the end of the command line is wrong")
	}
}

func TestBootInfoRefuses(t *testing.T) {
	mem := make([]byte, guestBase)
	for name, info := range map[string]bootInfo{
		"long command line":    {commandLine: strings.Repeat("x", cmdlineSize)},
		"zero in command line": {commandLine: "a\x00b"},
		"huge manifest":        {manifest: make([]byte, guestBase)},
	} {
		if err := info.put(mem); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func testImage(segments ...image.Segment) *image.Image {
	return &image.Image{
		Target:   image.TargetHVT,
		Entry:    guestBase,
		Segments: segments,
		Manifest: image.Manifest{Devices: []image.Device{{Kind: image.KindReserved}}},
	}
}

func TestLoadImage(t *testing.T) {
	mem := newMemory(t, MinMemory)
	file := strings.NewReader("....texT..data")
	im := testImage(
		image.Segment{Offset: 4, Filesz: 4, Vaddr: guestBase + 8, Memsz: 4, Start: guestBase, End: guestBase + pageSize, Perm: image.PermX},
		image.Segment{Offset: 10, Filesz: 4, Vaddr: guestBase + pageSize, Memsz: 100, Start: guestBase + pageSize, End: guestBase + 2*pageSize, Perm: image.PermR | image.PermW},
	)
	if err := loadImage(mem, im, file); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[uint64]string{guestBase + 8: "texT", guestBase + pageSize: "data\x00"} {
		if got, err := mem.Slice(at, uint64(len(want))); err != nil || string(got) != want {
			t.Errorf("at 0x%x: %q, %v", at, got, err)
		}
	}
	if _, err := mem.Writable(guestBase, 1); !errors.Is(err, guestmem.ErrReadOnly) {
		t.Errorf("text: %v, want ErrReadOnly", err)
	}
	if _, err := mem.Writable(guestBase+pageSize, 100); err != nil {
		t.Errorf("data: %v", err)
	}
}

func TestLoadImageRefuses(t *testing.T) {
	segment := image.Segment{Filesz: 4, Vaddr: guestBase, Memsz: 4, Start: guestBase, End: guestBase + pageSize, Perm: image.PermX}
	mem := newMemory(t, MinMemory)
	if err := loadImage(mem, testImage(segment), strings.NewReader("abc")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("file too short: %v", err)
	}
	segment.End = MinMemory + pageSize
	if err := loadImage(mem, testImage(segment), strings.NewReader("abcd")); err == nil {
		t.Error("an image larger than the memory was loaded")
	}
}
