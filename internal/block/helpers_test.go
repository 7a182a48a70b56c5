package block

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"albatross/internal/testutil"
	"albatross/internal/vm"
)

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// open returns a store in a directory of its own. At the end of the test nothing
// must be left open, and nothing half done in the directory.
func open(t testing.TB) *Store {
	t.Helper()
	testutil.NoLeakedFDs(t, os.Getpid())
	s, err := Open(filepath.Join(t.TempDir(), "block"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { expectNoTemp(t, s) })
	return s
}

func expectNoTemp(t testing.TB, s *Store) {
	t.Helper()
	if left, err := os.ReadDir(s.tmp); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v, %v", s.tmp, left, err)
	}
}

// device makes a device that begins with content.
func (s *Store) device(t testing.TB, n string, size int, content []byte) vm.Name {
	t.Helper()
	d := name(t, n)
	if err := s.Create(d, size); err != nil {
		t.Fatal(err)
	}
	if content != nil {
		if err := s.Set(context.Background(), d, bytes.NewReader(content), false); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// dumped returns what a device holds.
func (s *Store) dumped(t testing.TB, n vm.Name) []byte {
	t.Helper()
	c, err := s.Content(n)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	var b bytes.Buffer
	if err := c.Dump(context.Background(), 0, &b); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != c.Size() {
		t.Fatalf("%d bytes of %d were dumped", b.Len(), c.Size())
	}
	return b.Bytes()
}

// expectContent wants a device of size MB that begins with content and is zero
// behind it.
func (s *Store) expectContent(t testing.TB, n vm.Name, size int, content []byte) {
	t.Helper()
	want := make([]byte, size*megabyte)
	copy(want, content)
	got := s.dumped(t, n)
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Errorf("%s has %d bytes, want %d; the first that differs is %d", n, len(got), len(want), at)
	}
}

// allocated returns how many bytes a device takes on the disk.
func (s *Store) allocated(t testing.TB, n vm.Name) int64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(s.path(n), &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// zeroReader gives zeros, for ever.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// errBroken is what a connection fails with in these tests.
var errBroken = errors.New("the connection broke")

// breaks gives content and then fails with err.
func breaks(content []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(content), failing{err})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
