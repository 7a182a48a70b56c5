package kvm

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

// What KVM counts of a vCPU can be read once it has run, and goes by a name that
// others look for.
func TestOpenStats(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	cpu, _ := startGuest(t, 0xe6, 0x10, 0xf4) // out 0x10, al; hlt
	fd, err := cpu.OpenStats()
	if err != nil {
		t.Skipf("KVM counts nothing: %v", err)
	}
	defer func() {
		if err := fd.Close(); err != nil {
			t.Error(err)
		}
	}()
	name, err := os.Readlink("/proc/self/fd/" + strings.TrimPrefix(fd.String(), "fd "))
	if err != nil || !strings.HasPrefix(name, "anon_inode:kvm-vcpu-stats") {
		t.Errorf("it is called %q, %v", name, err)
	}
	if _, err := cpu.Run(); err != nil {
		t.Fatal(err)
	}
	if exits := value(t, fd, "exits"); exits == 0 {
		t.Error("the vCPU has had no exit")
	}
}

// value reads one count.
func value(t *testing.T, fd *linux.FD, name string) uint64 {
	t.Helper()
	at := func(offset int64, size int) []byte {
		b := make([]byte, size)
		if _, err := fd.ReadAt(b, offset); err != nil {
			t.Fatal(err)
		}
		return b
	}
	u32 := func(b []byte, i int) int64 { return int64(binary.NativeEndian.Uint32(b[4*i:])) }
	head := at(0, 24)
	for i := range u32(head, 2) {
		d := at(u32(head, 4)+i*(16+u32(head, 1)), int(16+u32(head, 1)))
		if strings.TrimRight(string(d[16:]), "\x00") == name {
			return binary.NativeEndian.Uint64(at(u32(head, 5)+u32(d, 2), 8))
		}
	}
	t.Fatalf("there is no count %q", name)
	return 0
}
