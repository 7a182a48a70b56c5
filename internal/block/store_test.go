package block

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	s := open(t)
	for _, n := range []string{"a:b:data", ":data", "a:x", ".hidden:x", "..:x"} {
		s.device(t, n, 2, nil)
	}
	devices, strays, err := s.List()
	if err != nil || len(strays) > 0 {
		t.Fatalf("strays %v, %v", strays, err)
	}
	var got []string
	for _, d := range devices {
		if d.Size != 2 {
			t.Errorf("%s has %d MB", d.Name, d.Size)
		}
		got = append(got, d.Name.Wire())
	}
	if diff := cmp.Diff([]string{"..:x", ".hidden:x", ":data", "a:b:data", "a:x"}, got); diff != "" {
		t.Error(diff)
	}
}

// hostile fills the directory with what is no device, and returns the names.
func hostile(t *testing.T, s *Store) []string {
	t.Helper()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, make([]byte, megabyte), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, size := range map[string]int64{
		"nocolon": megabyte, ":odd": 5, ":empty": 0, ":UPPER": megabyte, "a:": megabyte, ":": megabyte,
		"a b:c": megabyte, "\xff\n:x": megabyte, ":-x": megabyte, strings.Repeat("a", 64) + ":x": megabyte,
	} {
		f, err := os.Create(filepath.Join(s.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(s.dir, ":link")),
		os.Symlink("/nonexistent", filepath.Join(s.dir, ":dangling")),
		os.Symlink(":link2", filepath.Join(s.dir, ":link2")),
		os.Mkdir(filepath.Join(s.dir, ":dir"), 0o700),
		syscall.Mkfifo(filepath.Join(s.dir, ":fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != tmpDir {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestStraysAreReportedAndNotFollowed(t *testing.T) {
	s := open(t)
	files := hostile(t, s)
	good := s.device(t, ":good", 1, nil)
	devices, strays, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Device{{Name: good, Size: 1}}, devices, cmp.Comparer(func(a, b vm.Name) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, stray := range strays {
		if stray.Reason == "" {
			t.Errorf("%q: no reason", stray.File)
		}
		got = append(got, stray.File)
	}
	if diff := cmp.Diff(files, got); diff != "" {
		t.Error(diff)
	}
	for _, file := range files {
		n, ok := deviceName(file)
		if !ok {
			continue
		}
		for what, err := range s.tryAll(n) {
			odd := what == "remove" && (file == ":odd" || file == ":empty")
			if odd && err != nil || !odd && what != "create" && !errors.Is(err, ErrNotDevice) || what == "create" && !errors.Is(err, ErrExists) {
				t.Errorf("%s %q: %v", what, file, err)
			}
		}
	}
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) != len(files) { // less :odd and :empty, and with :good and .tmp
		t.Errorf("%d of %d files are left, %v", len(left), len(files), err)
	}
}

// tryAll does everything with a device that must fail; remove comes last.
func (s *Store) tryAll(n vm.Name) map[string]error {
	_, get := s.Get(n)
	_, _, attach := s.Attach(n, 512)
	_, content := s.Content(n)
	return map[string]error{
		"get": get, "attach": attach, "content": content,
		"create": s.Create(n, 1),
		"set":    s.Set(context.Background(), n, failing{errBroken}, false),
		"remove": s.Remove(n),
	}
}

func TestNotFound(t *testing.T) {
	s := open(t)
	n := name(t, "a:none")
	_, get := s.Get(n)
	_, _, attach := s.Attach(n, 512)
	_, content := s.Content(n)
	for what, err := range map[string]error{
		"get": get, "attach": attach, "dump": content,
		"set":    s.Set(context.Background(), n, failing{errBroken}, false), // without a read
		"remove": s.Remove(n),
	} {
		if !errors.Is(err, ErrNotFound) || errors.Is(err, errBroken) || !strings.Contains(err.Error(), "a.none") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPathIsNoDevice(t *testing.T) {
	s := open(t)
	for _, path := range []string{":", "a:", "a:b:"} {
		for what, err := range s.tryAll(name(t, path)) {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s %q: %v", what, path, err)
			}
		}
	}
	if devices, strays, err := s.List(); len(devices)+len(strays) > 0 || err != nil {
		t.Errorf("the directory has %v, %v, %v", devices, strays, err)
	}
}

func TestOpenRemovesLeftovers(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, []byte("kept"))
	for _, file := range []string{"create-1", "set-2"} {
		if err := os.WriteFile(filepath.Join(s.tmp, file), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(
		os.MkdirAll(filepath.Join(s.tmp, "dir", "deep"), 0o700),
		os.Mkdir(outside, 0o700),
		os.WriteFile(filepath.Join(outside, "file"), nil, 0o600),
		os.Symlink(outside, filepath.Join(s.tmp, "link")),
	); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	expectNoTemp(t, again)
	again.expectContent(t, n, 1, []byte("kept"))
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, nil); err == nil {
		t.Error("a file was opened as a directory")
	}
	dir := t.TempDir()
	if err := os.Symlink("/", filepath.Join(dir, tmpDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a link for .tmp: %v", err)
	}
}

func FuzzDeviceName(f *testing.F) {
	for _, s := range []string{":x", "a:b:c", "a.b", "..:x", "../:x", ":", "a:", "A:b", "\x00:x", tmpDir, ".tmp:x", "a::b", ":a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, file string) {
		n, ok := deviceName(file)
		if !ok {
			return
		}
		if n.IsPath() || n.FileName() != file || file == tmpDir || !strings.Contains(file, ":") ||
			strings.ContainsAny(file, "/\x00") || len(file) > vm.MaxName {
			t.Errorf("%q is taken for the device %s", file, n)
		}
		if again, ok := deviceName(n.FileName()); !ok || again != n {
			t.Errorf("%q does not come back", file)
		}
	})
}

// Other spellings of a name must not lead to a second device.
func TestDeviceHasOneFile(t *testing.T) {
	for file, want := range map[string]bool{
		":x": true, "x": false, ":X": false, "a:x": true, ":a:x": false, "a.x": false, "a:b:": false, "": false, ".": false, "..": false,
	} {
		if _, ok := deviceName(file); ok != want {
			t.Errorf("%q: %t", file, ok)
		}
	}
}
