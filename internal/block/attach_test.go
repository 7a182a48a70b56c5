package block

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"albatross/internal/linux"
)

func (s *Store) attached(t *testing.T, n string) *linux.FD {
	t.Helper()
	fd, _, err := s.Attach(name(t, n), 512)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fd.Close() })
	return fd
}

func TestAttach(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 2, []byte("before"))
	fd, size, err := s.Attach(n, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if size != 2*megabyte {
		t.Errorf("its size is %d", size)
	}
	if blocking, err := fd.Nonblocking(); blocking || err != nil {
		t.Errorf("non-blocking: %t, %v", blocking, err)
	}
	b := make([]byte, 6)
	if _, err := fd.ReadAt(b, 0); err != nil || string(b) != "before" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := fd.WriteAt([]byte("after"), megabyte); err != nil {
		t.Error(err)
	}
	if err := fd.Close(); err != nil {
		t.Fatal(err)
	}
	want := append([]byte("before"), make([]byte, megabyte-6)...)
	s.expectContent(t, n, 2, append(want, "after"...))
}

func TestAttachRefusesSectors(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 3, nil)
	for sector, want := range map[int]bool{
		512: true, 4096: true, megabyte: true, 3 * megabyte: true,
		0: false, -512: false, 2 * megabyte: false, 4 * megabyte: false, 5000: false, 1 << 40: false,
	} {
		fd, _, err := s.Attach(n, sector)
		if err == nil != want || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("sector %d: %v", sector, err)
		}
		if err := fd.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A device that is attached can only be looked at, until the last duplicate of
// its descriptor is closed.
func TestInUse(t *testing.T) {
	s := open(t)
	content := noise(megabyte)
	n := s.device(t, ":x", 1, content)
	fd := s.attached(t, ":x")
	dup, err := fd.Dup()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for what, err := range s.tryAll(n) {
			switch {
			case what == "get" && err != nil:
				t.Error(err)
			case what == "create" && !errors.Is(err, ErrExists):
				t.Error(err)
			case what != "get" && what != "create" && !errors.Is(err, ErrInUse):
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := fd.Close(); err != nil { // dup keeps the lock
			t.Fatal(err)
		}
	}
	if err := dup.Close(); err != nil {
		t.Fatal(err)
	}
	s.expectContent(t, n, 1, content)
	if err := s.Remove(n); err != nil {
		t.Error(err)
	}
}

// Nothing else happens to a device during an upload.
func TestInUseBySet(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, []byte("old"))
	other := s.device(t, ":y", 1, nil)
	r, w := io.Pipe()
	done := make(chan error)
	go func() { done <- s.Set(context.Background(), n, r, false) }()
	if _, err := w.Write([]byte("new")); err != nil { // returns once Set reads
		t.Fatal(err)
	}
	if _, _, err := s.Attach(n, 512); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("attach: %v", err)
	}
	if _, err := s.Content(n); !errors.Is(err, ErrInUse) {
		t.Errorf("dump: %v", err)
	}
	if err := s.Set(context.Background(), n, bytes.NewReader(nil), false); !errors.Is(err, ErrInUse) {
		t.Errorf("set: %v", err)
	}
	if err := s.Remove(n); !errors.Is(err, ErrInUse) {
		t.Errorf("remove: %v", err)
	}
	if err := s.Set(context.Background(), other, bytes.NewReader(nil), false); err != nil {
		t.Errorf("another device: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.expectContent(t, n, 1, []byte("new"))
}

// Downloads exclude changes, but not each other.
func TestInUseByContent(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, []byte("old"))
	one, err := s.Content(n)
	if err != nil {
		t.Fatal(err)
	}
	s.expectContent(t, n, 1, []byte("old")) // a second one
	if _, _, err := s.Attach(n, 512); !errors.Is(err, ErrInUse) {
		t.Errorf("attach: %v", err)
	}
	if err := s.Set(context.Background(), n, bytes.NewReader(nil), false); !errors.Is(err, ErrInUse) {
		t.Errorf("set: %v", err)
	}
	if err := s.Remove(n); !errors.Is(err, ErrInUse) {
		t.Errorf("remove: %v", err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(n); err != nil {
		t.Error(err)
	}
}
