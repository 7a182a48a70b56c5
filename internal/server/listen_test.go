package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"albatross/internal/paths"
	"albatross/internal/testutil"
)

func TestListenReplacesADeadSocketOnly(t *testing.T) {
	path := filepath.Join(testutil.TempDirShort(t), "s.sock")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(path); err == nil {
		_ = l.Close()
		t.Fatal("two daemons listen on one socket")
	} else if !strings.Contains(err.Error(), "another daemon listens on "+path) {
		t.Errorf("error %q does not say that a daemon listens", err)
	}
	first.SetUnlinkOnClose(false) // as if it had been killed
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there after Close: %v", err)
	}
}

// A daemon that is too busy to accept is not dead.
func TestListenSparesAFullQueue(t *testing.T) {
	path := filepath.Join(testutil.TempDirShort(t), "s.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 8 { // the queue takes one more than it was made for
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer func() { _ = c.Close() }()
	}
	if l, err := Listen(path); err == nil {
		_ = l.Close()
		t.Fatal("replaced a socket with a full queue")
	}
}

func TestListenSparesWhatIsNoStreamSocket(t *testing.T) {
	dir := testutil.TempDirShort(t)
	file, packets := filepath.Join(dir, "file"), filepath.Join(dir, "packets")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: packets})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	for _, path := range []string{file, packets} {
		if l, err := Listen(path); err == nil {
			_ = l.Close()
			t.Errorf("replaced %s", path)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestListenErrorsSayWhat(t *testing.T) {
	dir := testutil.TempDirShort(t)
	long := filepath.Join(dir, strings.Repeat("x", paths.MaxSocket))
	missing := filepath.Join(dir, "missing", "s.sock")
	for path, want := range map[string]string{
		long:    fmt.Sprintf("%d bytes", len(long)),
		missing: "no such file or directory",
	} {
		_, err := Listen(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Listen(%.40s…): %v, want an error with %q and the path", path, err, want)
		}
	}
}

func TestListenMode(t *testing.T) {
	dir := testutil.TempDirShort(t)
	for umask, want := range map[int]fs.FileMode{0o022: 0o775, 0o077: 0o770, 0o002: 0o775, 0: 0o777} {
		path := filepath.Join(dir, fmt.Sprintf("%o.sock", umask))
		old := syscall.Umask(umask)
		l, err := Listen(path)
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("umask %03o: the socket has mode %o, want %o", umask, got, want)
		}
		_ = l.Close()
	}
}

// Of daemons that start at the same moment over a dead one's socket exactly one
// wins.
func TestListenRace(t *testing.T) {
	path := filepath.Join(testutil.TempDirShort(t), "s.sock")
	dead, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	var wg sync.WaitGroup
	winners := make(chan *net.UnixListener, 16)
	for range cap(winners) {
		wg.Go(func() {
			if l, err := Listen(path); err == nil {
				winners <- l
			}
		})
	}
	wg.Wait()
	close(winners)
	n := 0
	for l := range winners {
		n++
		_ = l.Close()
	}
	if n != 1 {
		t.Errorf("%d daemons believe that they listen", n)
	}
}
