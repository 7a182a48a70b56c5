package guestmem

import (
	"errors"
	"math"
	"os"
	"testing"

	"pgregory.net/rapid"
)

var page = uint64(os.Getpagesize())

func newMemory(t testing.TB, size uint64) *Memory {
	t.Helper()
	m, err := New(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestNewRefusesBadSizes(t *testing.T) {
	for _, size := range []uint64{0, 1, page - 1, page + 1, math.MaxUint64, math.MaxUint64 - page + 1, 1 << 63} {
		if m, err := New(size); err == nil {
			m.Close()
			t.Errorf("New(%d) succeeded", size)
		}
	}
}

func TestCloseTwice(t *testing.T) {
	m, err := New(page)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Slice(0, 1); !errors.Is(err, ErrOutside) {
		t.Errorf("Slice after Close: %v, want ErrOutside", err)
	}
}

func TestAccessBounds(t *testing.T) {
	m := newMemory(t, 4*page)
	size := m.Size()
	tests := []struct {
		name    string
		addr, n uint64
		ok      bool
	}{
		{"all", 0, size, true},
		{"nothing at the start", 0, 0, true},
		{"nothing at the end", size, 0, true},
		{"nothing behind the end", size + 1, 0, false},
		{"last byte", size - 1, 1, true},
		{"across the end", size - 1, 2, false},
		{"one too many", 0, size + 1, false},
		{"behind the end", size, 1, false},
		{"sum wraps to zero", 8, math.MaxUint64 - 7, false},
		{"sum wraps into range", size - 8, math.MaxUint64 - size + 16, false},
		{"top of the address space", math.MaxUint64, 1, false},
		{"everything there is", math.MaxUint64, math.MaxUint64, false},
		{"sign bit", 1 << 63, 8, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for kind, get := range map[string]func(uint64, uint64) ([]byte, error){"Slice": m.Slice, "Writable": m.Writable} {
				b, err := get(tt.addr, tt.n)
				if tt.ok != (err == nil) {
					t.Fatalf("%s(0x%x, %d): %v", kind, tt.addr, tt.n, err)
				}
				if !tt.ok && !errors.Is(err, ErrOutside) {
					t.Errorf("%s: %v, want ErrOutside", kind, err)
				}
				if tt.ok && (uint64(len(b)) != tt.n || uint64(cap(b)) != tt.n) {
					t.Errorf("%s: len %d, cap %d, want %d", kind, len(b), cap(b), tt.n)
				}
			}
		})
	}
}

func TestFrozenRangeIsReadableOnly(t *testing.T) {
	m := newMemory(t, 4*page)
	copy(m.Bytes()[page:], "text")
	if err := m.Freeze(page, 2*page); err != nil {
		t.Fatal(err)
	}
	b, err := m.Slice(page, 4)
	if err != nil || string(b) != "text" {
		t.Fatalf("Slice = %q, %v", b, err)
	}
	for _, at := range []uint64{page - 7, page, page + 8, 2*page - 1} {
		if err := m.PutUint64(at, 1); !errors.Is(err, ErrReadOnly) {
			t.Errorf("PutUint64(0x%x): %v, want ErrReadOnly", at, err)
		}
	}
	for _, at := range []uint64{page - 8, 2 * page} {
		if err := m.PutUint64(at, 42); err != nil {
			t.Errorf("PutUint64(0x%x): %v", at, err)
		}
	}
	if _, err := m.Writable(page, 0); err != nil {
		t.Errorf("writing nothing: %v", err)
	}
}

// The kernel, too, must refuse to write to a frozen range: that is what turns
// a guest's store to its text into a failing KVM_RUN.
func TestFrozenRangeIsReadOnlyForTheKernel(t *testing.T) {
	m := newMemory(t, 2*page)
	if err := m.Freeze(0, page); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/dev/zero")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	if _, err := f.Read(m.Bytes()[:8]); err == nil {
		t.Error("the kernel wrote to a frozen page")
	}
	if _, err := f.Read(m.Bytes()[page:]); err != nil {
		t.Errorf("the kernel could not write to the page behind: %v", err)
	}
}

func TestFreezeAndGuardRefuseBadRanges(t *testing.T) {
	m := newMemory(t, 2*page)
	for _, r := range [][2]uint64{{1, page}, {0, page + 1}, {page, 0}, {0, 3 * page}, {math.MaxUint64 - page + 1, page}} {
		if err := m.Freeze(r[0], r[1]); err == nil {
			t.Errorf("Freeze(0x%x, 0x%x) succeeded", r[0], r[1])
		}
	}
	for _, r := range [][2]uint64{{2, 1}, {0, 2*page + 1}, {math.MaxUint64, math.MaxUint64}} {
		if err := m.Guard(r[0], r[1]); !errors.Is(err, ErrOutside) {
			t.Errorf("Guard(0x%x, 0x%x): %v, want ErrOutside", r[0], r[1], err)
		}
	}
	if _, err := m.Writable(0, m.Size()); err != nil {
		t.Errorf("a refused range left a mark: %v", err)
	}
}

func TestNumbersAreLittleEndian(t *testing.T) {
	m := newMemory(t, page)
	if err := m.PutUint64(3, 0x0807060504030201); err != nil {
		t.Fatal(err)
	}
	for i, b := range m.Bytes()[3:11] {
		if int(b) != i+1 {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	if v, err := m.Uint64(3); err != nil || v != 0x0807060504030201 {
		t.Errorf("Uint64 = 0x%x, %v", v, err)
	}
	if v, err := m.Uint32(4); err != nil || v != 0x05040302 {
		t.Errorf("Uint32 = 0x%x, %v", v, err)
	}
	if err := m.PutUint32(page-4, 0xdeadbeef); err != nil {
		t.Fatal(err)
	}
	if v, err := m.Uint32(page - 4); err != nil || v != 0xdeadbeef {
		t.Errorf("Uint32 = 0x%x, %v", v, err)
	}
	if _, err := m.Uint32(page - 3); !errors.Is(err, ErrOutside) {
		t.Errorf("Uint32 across the end: %v", err)
	}
}

// Writable must agree, address by address, with a naive map of what was
// guarded.
func TestWritableAgainstModel(t *testing.T) {
	const size = 1 << 12
	rapid.Check(t, func(t *rapid.T) {
		m := &Memory{bytes: make([]byte, size)}
		var model [size]bool
		edge := rapid.Uint64Range(0, size)
		for range rapid.IntRange(0, 12).Draw(t, "guards") {
			a, b := edge.Draw(t, "a"), edge.Draw(t, "b")
			a, b = min(a, b), max(a, b)
			if err := m.Guard(a, b); err != nil {
				t.Fatal(err)
			}
			for i := a; i < b; i++ {
				model[i] = true
			}
		}
		for i := 1; i < len(m.readOnly); i++ {
			if m.readOnly[i-1].end >= m.readOnly[i].start {
				t.Fatalf("spans not apart: %v", m.readOnly)
			}
		}
		address := rapid.OneOf(edge, rapid.Uint64())
		for range 20 {
			addr, n := address.Draw(t, "addr"), address.Draw(t, "n")
			b, err := m.Writable(addr, n)
			inside := addr <= size && n <= size && addr+n <= size
			free := inside
			for i := addr; inside && i < addr+n; i++ {
				free = free && !model[i]
			}
			if (err == nil) != free {
				t.Fatalf("Writable(0x%x, %d): %v, model says %v", addr, n, err, free)
			}
			if err == nil && uint64(len(b)) != n {
				t.Fatalf("Writable(0x%x, %d) has %d bytes", addr, n, len(b))
			}
			if err != nil && errors.Is(err, ErrOutside) == inside {
				t.Fatalf("Writable(0x%x, %d): wrong reason: %v", addr, n, err)
			}
		}
	})
}

func FuzzAccess(f *testing.F) {
	m, err := New(4 * page)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { m.Close() })
	if err := m.Freeze(page, 2*page); err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(0), uint64(0))
	f.Add(page-1, uint64(2))
	f.Add(uint64(math.MaxUint64), uint64(1))
	f.Add(uint64(8), uint64(math.MaxUint64-7))
	f.Fuzz(func(t *testing.T, addr, n uint64) {
		if b, err := m.Slice(addr, n); err == nil {
			var sum byte
			for _, c := range b {
				sum ^= c
			}
			_ = sum
		}
		// A slice that should not have been given out kills the process here.
		if b, err := m.Writable(addr, n); err == nil {
			clear(b)
		}
		_ = m.PutUint64(addr, n)
		_ = m.PutUint32(addr, uint32(n))
	})
}

func BenchmarkUint64(b *testing.B) {
	m := newMemory(b, 1<<20)
	if err := m.Guard(0, page); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := m.PutUint64(1<<16, 1); err != nil {
			b.Fatal(err)
		}
	}
}
