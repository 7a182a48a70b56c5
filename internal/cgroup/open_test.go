package cgroup

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"albatross/internal/linux"
	"albatross/internal/testutil"

	"github.com/google/go-cmp/cmp"
)

func TestOpenCountersOfV2(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	k := newFakeKernel(t)
	r, err := k.open("albatross")
	must(t, err)
	g, err := r.Create("a", Limits{})
	must(t, err)
	must(t, g.Close())
	k.set("some total=1\n", "albatross/one/a/cpu.pressure")
	files, err := r.OpenCounters("a")
	must(t, err)
	// This kernel tells no other pressure.
	if diff := cmp.Diff([]string{"cpu.pressure", "cpu.stat", "memory.current"}, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Error(diff)
	}
	closeFDs(t, files)
	if _, err := r.OpenCounters("../a"); err == nil {
		t.Error("a path was taken for a name")
	}
}

func closeFDs(t *testing.T, files map[string]*linux.FD) {
	t.Helper()
	for _, fd := range files {
		must(t, fd.Close())
	}
}

// What is open tells of its group until that is removed, and of no other one then.
func TestOpenCounters(t *testing.T) {
	eachKind(t, func(t *testing.T, r *Root) {
		testutil.NoLeakedFDs(t, os.Getpid())
		g, err := r.Create("a", Limits{})
		must(t, err)
		must(t, g.Close())
		files, err := r.OpenCounters("a")
		must(t, err)
		defer closeFDs(t, files)
		read := func(fd *linux.FD) error {
			_, err := fd.ReadAt(make([]byte, 1), 0)
			return err
		}
		for name, fd := range files {
			if err := read(fd); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, r.Remove("a"))
		again, err := r.Create("a", Limits{})
		must(t, err)
		must(t, again.Close())
		for name, fd := range files {
			if err := read(fd); err == nil && !strings.HasSuffix(name, ".pressure") {
				t.Errorf("%s still tells something", name)
			}
		}
		must(t, r.Remove("a"))
	})
}
