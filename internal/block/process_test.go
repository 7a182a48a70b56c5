package block

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// dirEnv tells a test that it is run alone, in a process made for it, and where.
const dirEnv = "ALBATROSS_TEST_BLOCK_DIR"

// again is a command that runs only this test, in another process.
func again(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), dirEnv+"="+dir)
	return cmd
}

// pass runs the test in a process with these attributes, which must succeed.
func pass(t *testing.T, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := again(t, t.TempDir())
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatal("the test did not run")
	}
}

// Another process is killed in the middle of an upload.
func TestKilledUpload(t *testing.T) {
	if dir := os.Getenv(dirEnv); dir != "" {
		s, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := s.device(t, ":x", 8, []byte("old"))
		rest := &signalling{r: bytes.NewReader(noise(4 * megabyte))}
		t.Fatal(s.Set(context.Background(), n, rest, false))
	}
	dir := t.TempDir()
	cmd := again(t, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var heard []byte
	for b := make([]byte, 1); !bytes.Contains(heard, []byte("uploading")); heard = append(heard, b...) {
		if _, err := out.Read(b); err != nil {
			t.Fatalf("%s: %v", heard, err)
		}
	}
	s := &Store{dir: dir, tmp: filepath.Join(dir, tmpDir)} // not opened: the other process still runs
	n := name(t, ":x")
	if _, _, err := s.Attach(n, 512); !errors.Is(err, ErrInUse) {
		t.Errorf("attach while another process uploads: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	left, err := os.ReadDir(s.tmp)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	s, err = Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	expectNoTemp(t, s)
	s.expectContent(t, n, 8, []byte("old"))
	fd, _, err := s.Attach(n, 512)
	if err != nil {
		t.Fatal(err)
	}
	if err := fd.Close(); err != nil {
		t.Error(err)
	}
}

// signalling gives what r has, says so, and never ends.
type signalling struct{ r io.Reader }

func (s *signalling) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err == io.EOF {
		if _, err := os.Stdout.WriteString("uploading\n"); err != nil {
			return 0, err
		}
		select {}
	}
	return n, err
}

// The lock of a device outlives the process that attached it, in the one that
// got the descriptor.
func TestLockGoesWithTheDescriptor(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, nil)
	fd := s.attached(t, ":x")
	dup, err := fd.Dup()
	if err != nil {
		t.Fatal(err)
	}
	file := dup.File("device")
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		t.Skipf("needs sleep: %v", err)
	}
	if err := errors.Join(file.Close(), fd.Close()); err != nil {
		t.Error(err)
	}
	if err := s.Remove(n); !errors.Is(err, ErrInUse) {
		t.Errorf("remove while the other process lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if err := s.Remove(n); err != nil {
		t.Errorf("remove after its end: %v", err)
	}
}

// A disk of 4 MB is full before the content has arrived.
func TestFullDisk(t *testing.T) {
	dir := os.Getenv(dirEnv)
	if dir == "" {
		testutil.RequireRoot(t)
		pass(t, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS})
		return
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := noise(megabyte)
	n := s.device(t, ":x", 16, old)
	err = s.Set(context.Background(), n, bytes.NewReader(noise(8*megabyte)), false)
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("set: %v", err)
	}
	expectNoTemp(t, s)
	s.expectContent(t, n, 16, old)
	// Zeros need no space, and the failure has left the space free.
	if err := s.Set(context.Background(), n, io.LimitReader(zeroReader{}, 16*megabyte), false); err != nil {
		t.Errorf("set to zeros: %v", err)
	}
	if err := s.Set(context.Background(), n, bytes.NewReader(noise(3*megabyte)), false); err != nil {
		t.Errorf("set to what fits: %v", err)
	}
}

// A device larger than any file may be is refused, and nothing is left.
func TestFileSizeLimit(t *testing.T) {
	dir := os.Getenv(dirEnv)
	if dir == "" {
		pass(t, nil)
		return
	}
	limit := syscall.Rlimit{Cur: 4 * megabyte, Max: 4 * megabyte}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(name(t, ":x"), 5); !errors.Is(err, ErrInvalid) {
		t.Errorf("create: %v", err)
	}
	expectNoTemp(t, s)
	s.expectContent(t, s.device(t, ":x", 4, noise(4*megabyte)), 4, noise(4*megabyte))
}
