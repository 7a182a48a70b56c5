package image_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

func openStore(t testing.TB, dir string) *image.Store {
	t.Helper()
	s, err := image.OpenStore(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stage stages content as it is.
func stage(t testing.TB, s *image.Store, content []byte) *image.Staged {
	t.Helper()
	st, err := s.Stage(t.Context(), bytes.NewReader(content), image.StageOptions{MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func commit(t testing.TB, st *image.Staged) {
	t.Helper()
	if err := st.Commit(); err != nil {
		t.Fatal(err)
	}
}

// wantFiles checks the names of the files in the store at dir.
func wantFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	got := []string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the store has the files %q, want %q", got, want)
	}
}

func stored(content []byte) string {
	return "sha256/" + image.Digest(sha256.Sum256(content)).String()
}

func TestStoreCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "images")
	s := openStore(t, dir)
	content := imagetest.Build(imagetest.Spec{})
	st := stage(t, s, content)
	if st.Size() != int64(len(content)) || st.Digest() != sha256.Sum256(content) {
		t.Errorf("staged %d bytes with digest %v", st.Size(), st.Digest())
	}
	if _, err := image.Read(st.File(), st.Size()); err != nil {
		t.Errorf("Read of the staged file: %v", err)
	}
	if _, err := s.Open(st.Digest()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open before Commit = %v, want fs.ErrNotExist", err)
	}
	commit(t, st)
	wantFiles(t, dir, stored(content))

	f, err := s.Open(st.Digest())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Errorf("stored %d bytes, which are not those that were staged", len(got))
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("a stored image can be written to")
	}
	wantMode(t, filepath.Join(dir, stored(content)), 0o444)
	wantMode(t, filepath.Join(dir, "sha256"), fs.ModeDir|0o700)
	wantMode(t, filepath.Join(dir, "tmp"), fs.ModeDir|0o700)
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != want {
		t.Errorf("%s has mode %v, want %v", path, fi.Mode(), want)
	}
}

func TestStoreDedupe(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	first, second := stage(t, s, []byte("same")), stage(t, s, []byte("same"))
	commit(t, first)
	before, err := os.Stat(filepath.Join(dir, stored([]byte("same"))))
	if err != nil {
		t.Fatal(err)
	}
	commit(t, second)
	after, err := os.Stat(filepath.Join(dir, stored([]byte("same"))))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the stored file was replaced")
	}
	wantFiles(t, dir, stored([]byte("same")))
}

func TestStoreDiscard(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	st := stage(t, s, []byte("content"))
	for range 2 {
		if err := st.Discard(); err != nil {
			t.Errorf("Discard: %v", err)
		}
	}
	if err := st.Commit(); err == nil {
		t.Error("Commit after Discard succeeded")
	}
	wantFiles(t, dir)

	st = stage(t, s, []byte("content"))
	commit(t, st)
	if err := st.Discard(); err != nil {
		t.Errorf("Discard after Commit: %v", err)
	}
	if err := st.Commit(); err == nil {
		t.Error("second Commit succeeded")
	}
	wantFiles(t, dir, stored([]byte("content")))
}

func TestStoreListAndRemove(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	var want []image.Digest
	for _, content := range []string{"a", "b", "c"} {
		st := stage(t, s, []byte(content))
		commit(t, st)
		want = append(want, st.Digest())
	}
	slices.SortFunc(want, func(a, b image.Digest) int { return bytes.Compare(a[:], b[:]) })
	strangers := []string{"README", want[0].String() + ".old", want[0].String()[1:]}
	for _, name := range strangers {
		if err := os.WriteFile(filepath.Join(dir, "sha256", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sha256", image.Digest{}.String()), 0o700); err != nil {
		t.Fatal(err)
	}
	wantList(t, s, want)

	f, err := s.Open(want[1])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		if err := s.Remove(want[1]); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	wantList(t, s, []image.Digest{want[0], want[2]})
	if b, err := io.ReadAll(f); err != nil || len(b) != 1 {
		t.Errorf("the open file has %q, %v after Remove", b, err)
	}
}

func wantList(t *testing.T, s *image.Store, want []image.Digest) {
	t.Helper()
	got, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func TestOpenStoreRemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	commit(t, stage(t, s, []byte("kept")))
	// The process ends between Stage and Commit.
	abandoned := stage(t, s, []byte("lost"))
	defer abandoned.File().Close()

	s = openStore(t, dir)
	wantFiles(t, dir, stored([]byte("kept")))
	wantList(t, s, []image.Digest{sha256.Sum256([]byte("kept"))})
	commit(t, stage(t, s, []byte("lost")))
	wantFiles(t, dir, stored([]byte("kept")), stored([]byte("lost")))
}

func TestStoreErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := image.OpenStore(filepath.Join(file, "images"), nil); err == nil {
		t.Error("OpenStore below a file succeeded")
	}

	dir := t.TempDir()
	s := openStore(t, dir)
	st := stage(t, s, []byte("content"))
	if err := os.Remove(filepath.Join(dir, "sha256")); err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Commit without a store = %v, want fs.ErrNotExist", err)
	}
	if err := st.Discard(); err != nil {
		t.Errorf("Discard after a failed Commit: %v", err)
	}
	if _, err := s.List(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List without a store = %v, want fs.ErrNotExist", err)
	}
	wantFiles(t, dir)
	if err := os.Remove(filepath.Join(dir, "tmp")); err != nil {
		t.Fatal(err)
	}
	_, err := s.Stage(context.Background(), bytes.NewReader(nil), image.StageOptions{MaxSize: 1})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stage without a store = %v, want fs.ErrNotExist", err)
	}
}

// TestStoreConcurrentCommits commits the same content many times at once, and
// other content next to it.
func TestStoreConcurrentCommits(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	contents := []string{"a", "b"}
	var wg sync.WaitGroup
	for i := range 16 {
		content := contents[i%len(contents)]
		wg.Go(func() {
			st, err := s.Stage(t.Context(), bytes.NewReader([]byte(content)), image.StageOptions{MaxSize: 10})
			if err != nil {
				t.Error(err)
				return
			}
			if err := st.Commit(); err != nil {
				t.Error(err)
			}
			f, err := s.Open(st.Digest())
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if b, err := io.ReadAll(f); err != nil || string(b) != content {
				t.Errorf("stored %q, %v, want %q", b, err, content)
			}
		})
	}
	wg.Wait()
	wantFiles(t, dir, stored([]byte("a")), stored([]byte("b")))
}

// TestStoreCommitAgainstRemove: whatever comes last, nothing is left in tmp and
// no call fails.
func TestStoreCommitAgainstRemove(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	d := image.Digest(sha256.Sum256([]byte("content")))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%2 == 0 {
				if err := s.Remove(d); err != nil {
					t.Error(err)
				}
				return
			}
			st, err := s.Stage(t.Context(), bytes.NewReader([]byte("content")), image.StageOptions{MaxSize: 10})
			if err != nil {
				t.Error(err)
				return
			}
			if err := st.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Remove(d); err != nil {
		t.Error(err)
	}
	wantFiles(t, dir)
}

func TestParseDigest(t *testing.T) {
	d := image.Digest(sha256.Sum256([]byte("x")))
	if got, err := image.ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("ParseDigest(%q) = %v, %v", d, got, err)
	}
	for _, s := range []string{"", "00", d.String()[2:], d.String() + "00", "X" + d.String()[1:], "A" + d.String()[1:], "../" + d.String()[3:]} {
		if got, err := image.ParseDigest(s); err == nil {
			t.Errorf("ParseDigest(%q) = %v, want an error", s, got)
		}
	}
}
