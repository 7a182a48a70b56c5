package linux_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"albatross/internal/linux"
)

func TestFlockExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second := open(), open()
	if err := linux.FlockExclusive(first); err != nil {
		t.Fatal(err)
	}
	if err := linux.FlockExclusive(first); err != nil {
		t.Errorf("lock by who has it: %v", err)
	}
	err := linux.FlockExclusive(second)
	if !errors.Is(err, linux.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("lock of a locked file: %v", err)
	}
	first.Close()
	if err := linux.FlockExclusive(second); err != nil {
		t.Errorf("lock after it was released: %v", err)
	}
	second.Close()
	if err := linux.FlockExclusive(second); err == nil || errors.Is(err, linux.ErrLocked) {
		t.Errorf("lock of a closed file: %v", err)
	}
}

// TestMountedNoexec compares with what the kernel says about all mounts.
func TestMountedNoexec(t *testing.T) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	options := make(map[string]string) // of the topmost mount at each place
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		options[fields[4]] = fields[5]
	}
	checked := 0
	for place, have := range options {
		f, err := os.Open(place)
		if err != nil {
			continue
		}
		got, err := linux.MountedNoexec(f)
		f.Close()
		if want := slices.Contains(strings.Split(have, ","), "noexec"); got != want || err != nil {
			t.Errorf("%s (%s): noexec %t, %v", place, have, got, err)
		}
		checked++
	}
	if checked == 0 {
		t.Error("no mount could be opened")
	}
}

func TestFreeBytes(t *testing.T) {
	dir := t.TempDir()
	free, err := linux.FreeBytes(dir)
	if err != nil || free == 0 {
		t.Errorf("free space of a directory one can write to: %d, %v", free, err)
	}
	if _, err := linux.FreeBytes(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("free space of nothing: %v", err)
	}
}
