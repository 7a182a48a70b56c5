package testutil

import (
	"os"
	"testing"
	"time"
)

// Eventually calls check until it returns nil, first at once, then at
// intervals from 1 ms up to 50 ms. If it still fails after timeout the test
// stops with its last error. A generous timeout costs nothing when all is well.
func Eventually(t testing.TB, timeout time.Duration, check func() error) {
	t.Helper()
	if err := poll(timeout, check); err != nil {
		t.Fatalf("after %v still: %v", timeout, err)
	}
}

// poll returns nil as soon as check does, or its last error when the time is
// over.
func poll(timeout time.Duration, check func() error) error {
	deadline := time.Now().Add(timeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := check()
		if err == nil || !time.Now().Before(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// TempDirShort is t.TempDir with a path of a few bytes, for unix sockets: the
// kernel takes 107 bytes of path, and t.TempDir contains the name of the test.
func TempDirShort(t testing.TB) string {
	t.Helper()
	parent := os.TempDir()
	if len(parent) > 30 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "a")
	if err != nil {
		t.Fatalf("make temporary directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove temporary directory: %v", err)
		}
	})
	return dir
}
