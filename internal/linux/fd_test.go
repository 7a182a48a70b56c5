package linux_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

// pipe returns both ends of a pipe as FDs that the test closes.
func pipe(t *testing.T) (r, w *linux.FD) {
	t.Helper()
	var raw [2]int
	if err := syscall.Pipe2(raw[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = linux.NewFD(raw[0]), linux.NewFD(raw[1])
	t.Cleanup(func() { linux.CloseAll([]*linux.FD{r, w}) })
	return r, w
}

func closeOnExec(t *testing.T, fd *linux.FD) bool {
	t.Helper()
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd.Int()), syscall.F_GETFD, 0)
	if errno != 0 {
		t.Fatalf("flags of %s: %v", fd, errno)
	}
	return flags&syscall.FD_CLOEXEC != 0
}

func TestFDClosesOnce(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	r, w := pipe(t)
	number := r.Int()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if r.Int() != -1 || r.String() != "fd closed" {
		t.Errorf("closed FD is %d, %s", r.Int(), r)
	}
	// The number is free now; a second close must not hit who has it next.
	again, err := w.DupHigh(number)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Int() != number {
		t.Fatalf("number %d was not reused: %s", number, again)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := again.Nonblocking(); err != nil {
		t.Errorf("second close closed somebody else's descriptor: %v", err)
	}
}

func TestFDNilAndNegative(t *testing.T) {
	for _, fd := range []*linux.FD{nil, linux.NewFD(-1), linux.NewFD(-100)} {
		if fd.Int() != -1 || fd.File("x") != nil || fd.Close() != nil {
			t.Errorf("%s is not closed", fd)
		}
		if _, err := fd.Dup(); !errors.Is(err, syscall.EBADF) {
			t.Errorf("duplicate of %s: %v", fd, err)
		}
		if _, err := fd.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
			t.Errorf("read of %s: %v", fd, err)
		}
	}
}

func TestFDDup(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	r, w := pipe(t)
	high, err := w.DupHigh(200)
	if err != nil {
		t.Fatal(err)
	}
	defer high.Close()
	if high.Int() < 200 || !closeOnExec(t, high) {
		t.Errorf("DupHigh(200) = %s, close-on-exec %t", high, closeOnExec(t, high))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := high.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	if n, err := r.Read(buf); n != 1 || err != nil {
		t.Errorf("read through duplicate: %d, %v", n, err)
	}
	high.Close()
	if n, err := r.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("read at the end: %d, %v", n, err)
	}
}

func TestFDNonblocking(t *testing.T) {
	r, w := pipe(t)
	for _, want := range []bool{true, false, true} {
		if err := r.SetNonblock(want); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Nonblocking(); got != want || err != nil {
			t.Errorf("nonblocking is %t (%v), want %t", got, err, want)
		}
	}
	if _, err := r.Read(make([]byte, 1)); err != syscall.EAGAIN {
		t.Errorf("read of an empty pipe: %v", err)
	}
	if err := w.SetNonblock(true); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(make([]byte, 1<<20)); n == 0 || err != io.ErrShortWrite {
		t.Errorf("write of more than fits: %d, %v", n, err)
	}
}

func TestFDFile(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	r, w := pipe(t)
	number := w.Int()
	f := w.File("writer")
	defer f.Close()
	if f.Name() != "writer" || w.Int() != -1 || w.File("again") != nil {
		t.Errorf("ownership of %d did not move", number)
	}
	dup, err := linux.FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	defer dup.Close()
	if !closeOnExec(t, dup) {
		t.Error("duplicate of a file is not close-on-exec")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := dup.Write([]byte("y")); err != nil {
		t.Errorf("duplicate of a closed file: %v", err)
	}
	if n, err := r.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
	if _, err := linux.FromFile(f); err == nil {
		t.Error("a closed file could be duplicated")
	}
}

func TestFDReadAtWriteAt(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := linux.FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if n, err := fd.WriteAt([]byte("hello"), 10); n != 5 || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	buf := make([]byte, 8)
	if n, err := fd.ReadAt(buf, 8); n != 7 || err != io.EOF || string(buf[:n]) != "\x00\x00hello" {
		t.Errorf("read across the end: %d %q, %v", n, buf[:n], err)
	}
	if n, err := fd.ReadAt(buf, 5); n != 8 || err != nil {
		t.Errorf("read inside: %d, %v", n, err)
	}
	if _, err := fd.ReadAt(buf, -1); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("read before the start: %v", err)
	}
}
