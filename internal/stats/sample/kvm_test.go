package sample

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"albatross/internal/linux"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

// statistics are what KVM might tell: three counts, a histogram, and one that lies
// outside of all reason.
func statistics() []byte {
	const nameSize = 8
	var b []byte
	u32 := func(n ...uint32) {
		for _, n := range n {
			b = binary.NativeEndian.AppendUint32(b, n)
		}
	}
	entries := []struct {
		kind         uint32
		size         uint16
		offset       uint32
		name         string
		exponentZero uint16
	}{
		{kind: 0, size: 1, offset: 0, name: "exits"},
		{kind: 1, size: 1, offset: 8, name: "pages"},
		{kind: 2, size: 1, offset: 16, name: "peak"},
		{kind: 3, size: 4, offset: 24, name: "hist"},
		{kind: 0, size: 1, offset: 8, name: "exits"},
		{kind: 0, size: 1, offset: 1 << 30, name: "far"},
		{kind: 0, size: 1, offset: 8, name: "a\nb"},
	}
	data := uint32(kvmHeader + len(entries)*(kvmDescriptor+nameSize))
	u32(0, nameSize, uint32(len(entries)), kvmHeader, kvmHeader, data)
	for _, e := range entries {
		u32(e.kind)
		b = binary.NativeEndian.AppendUint16(b, e.exponentZero)
		b = binary.NativeEndian.AppendUint16(b, e.size)
		u32(e.offset, 0)
		b = append(b, append([]byte(e.name), make([]byte, nameSize-len(e.name))...)...)
	}
	for _, n := range []uint64{11, 22, 1<<63 + 5, 44} {
		b = binary.NativeEndian.AppendUint64(b, n)
	}
	return b
}

func machineOf(t testing.TB, content []byte) (*machine, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stats")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := linux.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fd.Close() })
	return openMachine(new(Buffer), fd)
}

func TestMachine(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	m, err := machineOf(t, statistics())
	if err != nil {
		t.Fatal(err)
	}
	want := []Counter{
		{vm.Counter{Name: "exits", Value: 11}, true},
		{vm.Counter{Name: "pages", Value: 22}, false},
		{vm.Counter{Name: "peak", Value: 1<<63 - 1}, false},
	}
	got := m.read(new(Buffer), nil)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again := m.read(new(Buffer), got); len(again) != len(want) {
		t.Errorf("names come twice: %v", again)
	}
}

func FuzzMachine(f *testing.F) {
	f.Add(statistics())
	f.Add(statistics()[:60])
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := machineOf(t, content)
		if err != nil {
			return
		}
		for _, c := range m.read(new(Buffer), nil) {
			if c.Value < 0 || c.Name == "" {
				t.Errorf("%+v", c)
			}
		}
	})
}
