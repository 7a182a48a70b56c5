package recipe_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"albatross/guest/internal/recipe"

	"github.com/google/go-cmp/cmp"
)

const (
	srcDir   = "../../src"
	builtDir = "../../built"
)

// TestRecordIsOfTheseFiles holds the guests in version control to their sources.
func TestRecordIsOfTheseFiles(t *testing.T) {
	record, err := recipe.ReadRecord(builtDir)
	if err != nil {
		t.Fatal(err)
	}
	now, err := recipe.NewRecord(record.Toolchain, srcDir, builtDir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record, now); diff != "" {
		t.Errorf("sources, flags or built guests are not those of the record: run make guests (-recorded +found):\n%s", diff)
	}
	if len(now.Sources) == 0 || len(now.Built) == 0 {
		t.Errorf("found %d sources and %d built guests", len(now.Sources), len(now.Built))
	}
}

// TestRebuildIsIdentical builds all guests again, where that must give the same bytes.
func TestRebuildIsIdentical(t *testing.T) {
	record, err := recipe.ReadRecord(builtDir)
	if err != nil {
		t.Fatal(err)
	}
	tools, err := recipe.Installed(t.Context())
	if err != nil {
		t.Skipf("no compiler to build the guests with: %v", err)
	}
	if tools != record.Toolchain {
		t.Skipf("the guests were built with %+v, here is %+v: other bytes are to be expected", record.Toolchain, tools)
	}
	out := t.TempDir()
	if err := recipe.Build(t.Context(), srcDir, out); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(record.Built)) {
		want, err := os.ReadFile(filepath.Join(builtDir, path))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(out, path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s: a new build differs from the kept one: run make guests", path)
		}
	}
}

func TestGuestsFindsEveryGuest(t *testing.T) {
	guests, err := recipe.Guests(srcDir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(guests))
	for _, g := range guests {
		names = append(names, g.Name)
		if len(g.Sources) == 0 {
			t.Errorf("guest %s has no sources", g.Name)
		}
	}
	want := []string{"block", "crash", "exit", "flood", "hello", "idle", "memory", "spin", "ticker", "web"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("guests (-want +got):\n%s", diff)
	}
}

func TestBuildReportsTheCompilersComplaint(t *testing.T) {
	if _, err := recipe.Installed(t.Context()); err != nil {
		t.Skipf("no compiler: %v", err)
	}
	src := t.TempDir()
	if err := os.CopyFS(filepath.Join(src, "lib"), os.DirFS(filepath.Join(srcDir, "lib"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src, "bad.c"), []byte("int guest_main(void) { nonsense }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := recipe.Build(t.Context(), src, t.TempDir())
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("nonsense")) {
		t.Errorf("error %v does not show what the compiler said", err)
	}
}
