package linux_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

func TestMkfifo(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	path := filepath.Join(t.TempDir(), "fifo")
	const perm = 0o662 // what every usual umask would cut
	if err := linux.Mkfifo(path, perm); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeNamedPipe|perm {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := linux.Mkfifo(path, perm); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("second FIFO of a name: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the failed attempt removed what was there: %v", err)
	}
}

func TestOpenFIFO(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	path := filepath.Join(t.TempDir(), "fifo")
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := linux.MkfifoAt(dir, "fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := linux.OpenFIFO(path)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if nonblocking, err := fd.Nonblocking(); !nonblocking || err != nil || !closeOnExec(t, fd) {
		t.Errorf("nonblocking %t (%v), close-on-exec %t", nonblocking, err, closeOnExec(t, fd))
	}
	// Nobody else has it open, yet a write neither blocks nor raises SIGPIPE,
	// and another opener finds what was written.
	if _, err := fd.Write([]byte("kept")); err != nil {
		t.Fatal(err)
	}
	other, err := linux.OpenFIFOAt(dir, "fifo")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	buf := make([]byte, 16)
	if n, err := other.Read(buf); err != nil || string(buf[:n]) != "kept" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestOpenFIFORefuses(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	dir := t.TempDir()
	fifo, link, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "file")
	if err := errors.Join(linux.Mkfifo(fifo, 0o600), os.Symlink(fifo, link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		link:                      syscall.ELOOP,
		file:                      linux.ErrNotFIFO,
		"/dev/null":               linux.ErrNotFIFO,
		filepath.Join(dir, "non"): fs.ErrNotExist,
		dir:                       syscall.EISDIR,
	} {
		if _, err := linux.OpenFIFO(path); !errors.Is(err, want) {
			t.Errorf("open of %s: %v, want %v", path, err, want)
		}
	}
}

func TestSetPipeSize(t *testing.T) {
	_, w := pipe(t)
	got, err := linux.SetPipeSize(w, 128<<10)
	if err != nil || got < 4096 {
		t.Errorf("128 KiB: %d, %v", got, err)
	}
	// More than any limit: best effort keeps what there is.
	again, err := linux.SetPipeSize(w, 1<<30+1<<29)
	if err != nil || again < got {
		t.Errorf("1.5 GiB: %d, %v; had %d", again, err, got)
	}
	notPipe, err := linux.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer notPipe.Close()
	if size, err := linux.SetPipeSize(notPipe, 4096); err == nil {
		t.Errorf("an epoll set has pipe size %d", size)
	}
}
