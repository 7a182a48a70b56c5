package block

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCreate(t *testing.T) {
	s := open(t)
	n := s.device(t, "a:b:data", 1<<20, nil) // 1 TiB
	d, err := s.Get(n)
	if err != nil || d != (Device{Name: n, Size: 1 << 20}) {
		t.Errorf("got %v, %v", d, err)
	}
	if got := s.allocated(t, n); got > megabyte {
		t.Errorf("it takes %d bytes", got)
	}
	if fi, err := os.Stat(s.path(n)); err != nil || fi.Mode() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	s.expectContent(t, s.device(t, ":zero", 3, nil), 3, nil)
}

func TestCreateRefuses(t *testing.T) {
	s := open(t)
	for _, size := range []int{0, -1, -1 << 62, maxSize + 1, 1 << 62} {
		if err := s.Create(name(t, ":x"), size); !errors.Is(err, ErrInvalid) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	// 8 EiB less 1 MB: more than file systems take.
	if err := s.Create(name(t, ":x"), maxSize); err == nil {
		if err := s.Remove(name(t, ":x")); err != nil {
			t.Error(err)
		}
	} else if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "file system") {
		t.Error(err)
	}
	n := s.device(t, ":x", 1, []byte("old"))
	if err := s.Create(n, 2); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	s.expectContent(t, n, 1, []byte("old"))
}

func TestOneOfManyCreates(t *testing.T) {
	s := open(t)
	n := name(t, ":x")
	var made atomic.Int64 // sum of the sizes of those that succeeded
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			switch err := s.Create(n, i+1); {
			case err == nil:
				made.Add(int64(i + 1))
			case !errors.Is(err, ErrExists):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d, err := s.Get(n); err != nil || int64(d.Size) != made.Load() {
		t.Errorf("device has %d MB, those who made it asked for %d in sum: %v", d.Size, made.Load(), err)
	}
}

func TestRemove(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, []byte("content"))
	if err := s.Remove(n); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(n); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	s.device(t, ":x", 1, nil)
	s.expectContent(t, n, 1, nil)
}
