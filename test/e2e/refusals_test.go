package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// TestRefusals types what cannot work: each gives one sentence, a hint, an exit
// code other than 0, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	hello, web, block := imageFile(t, "spt", "hello"), imageFile(t, "spt", "web"), imageFile(t, "spt", "block")
	script := filepath.Join(t.TempDir(), "script")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\nexit 0\n"), 0o755))
	virtio := filepath.Join(t.TempDir(), "virtio")
	b, err := os.ReadFile(hello)
	must(t, err)
	must(t, os.WriteFile(virtio, retarget(t, b), 0o644))
	w.ok("create", "taken", imageFile(t, "spt", "ticker"))
	for _, tt := range []struct {
		what  string
		args  []string
		words string // in the sentence or the hint
	}{
		{"no image", []string{"create", "x", "/nonexistent/image"}, "/nonexistent/image"},
		{"a directory", []string{"create", "x", t.TempDir()}, "directory"},
		{"not an ELF", []string{"create", "x", script}, "ELF"},
		{"wrong target", []string{"create", "x", virtio}, "virtio"},
		{"device not given", []string{"create", "x", web}, "--net service"},
		{"block not given", []string{"create", "x", block}, "--block storage"},
		{"device not in the manifest", []string{"create", "x", hello, "--net", "service:br0"}, "service"},
		{"unknown bridge", []string{"create", "x", web, "--net", "service:nowhere"}, "nowhere"},
		{"no such block device", []string{"create", "x", block, "--block", "storage:none"}, "none"},
		{"too little memory", []string{"create", "--mem", "1", "x", hello}, "--mem"},
		{"name not valid", []string{"create", "not_valid", hello}, "not_valid"},
		{"name in use", []string{"create", "taken", hello}, "--force"},
		{"no such unikernel", []string{"destroy", "nobody"}, "nobody"},
		{"restart of nobody", []string{"restart", "nobody"}, "nobody"},
		{"get of nobody", []string{"get", "nobody", "-o", filepath.Join(t.TempDir(), "x")}, "nobody"},
		{"info of nobody", []string{"info", "nobody"}, "nobody"},
		{"no such guest", []string{"create", "x", "guest:nothing"}, "nothing"},
		{"no such command", []string{"creat", "x"}, "create"},
	} {
		t.Run(tt.what, func(t *testing.T) { wantRefusal(t, w.run(tt.args...), tt.words) })
	}
	if s := w.state(); len(s.Unikernels) != 1 || s.Unikernels[0].Name != ":taken" {
		t.Errorf("unikernels are %+v", s)
	}
	for dir, want := range map[string]int{"run/fifo": 1, "db/images/sha256": 1, "db/images/tmp": 0} {
		entries, err := os.ReadDir(filepath.Join(w.dir, dir))
		must(t, err)
		if len(entries) != want {
			t.Errorf("%s has %v, want %d", dir, entries, want)
		}
	}
	if left := taps(t); len(left) > 0 {
		t.Errorf("taps are left: %v", left)
	}
}

// wantRefusal wants a sentence and a hint, and an exit code that tells.
func wantRefusal(t testing.TB, r result, words string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	if r.code == 0 || r.stdout != "" || len(lines) != 2 ||
		!strings.HasPrefix(lines[0], "albatross: ") || !strings.HasPrefix(lines[1], "hint: ") {
		t.Errorf("%+v; want one sentence, a hint, and an exit code other than 0", r)
	}
	if !strings.Contains(r.stderr, words) {
		t.Errorf("stderr is %q, without %q", r.stderr, words)
	}
}

// retarget makes an image claim to be for virtio.
func retarget(t *testing.T, b []byte) []byte {
	t.Helper()
	note := "Solo5\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00"
	if strings.Count(string(b), note) != 1 {
		t.Fatal("the ABI note is not where it is expected")
	}
	return []byte(strings.Replace(string(b), note, "Solo5\x00\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00", 1))
}

func TestDaemonNotRunning(t *testing.T) {
	w := &world{t: t, dir: testutil.TempDirShort(t)}
	wantRefusal(t, w.run("info"), "albatross up")
	wantRefusal(t, w.run("create", "x", imageFile(t, "spt", "hello")), "albatross up")
	if r := w.run("down", "--dir", w.dir); r.code != 0 || !strings.Contains(r.stdout, w.dir) {
		t.Errorf("down of what is not up: %+v", r)
	}
}

func TestSocketWithoutPermission(t *testing.T) {
	testutil.RequireRoot(t) // to have someone who lacks it
	w := newWorld(t)
	cmd := w.command("albatross", "info")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	must(t, os.Chmod(w.dir, 0o755))
	must(t, os.Chmod(filepath.Join(w.dir, "run"), 0o755))
	must(t, os.Chmod(filepath.Join(w.dir, "run", "util"), 0o755))
	wantRefusal(t, execute(t, cmd), "permission")
}
