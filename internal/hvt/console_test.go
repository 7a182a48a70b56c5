package hvt

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"

	"albatross/internal/linux"
)

// newPipe returns the ends of a pipe; flags are of pipe2.
func newPipe(t testing.TB, flags int) (r, w *linux.FD) {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe2(ends[:], flags|syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = linux.NewFD(ends[0]), linux.NewFD(ends[1])
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), w.Close()); err != nil {
			t.Error(err)
		}
	})
	return r, w
}

func newTestConsole(t testing.TB, fd *linux.FD) (*console, *stopper) {
	t.Helper()
	s, err := newStopper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConsole(fd, s.wait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.close(), s.close()); err != nil {
			t.Error(err)
		}
	})
	return c, s
}

func TestConsoleDropsWhatAFullPipeDoesNotTake(t *testing.T) {
	r, w := newPipe(t, syscall.O_NONBLOCK)
	c, _ := newTestConsole(t, w)
	line := bytes.Repeat([]byte("0123456789abcde\n"), 64)
	const lines = 1000 // 1 MB, a pipe holds 64 KB
	for range lines {
		c.write(line)
	}
	got := make([]byte, lines*len(line))
	n, err := r.Read(got)
	if err != nil || n < 4096 || n%16 != 0 {
		t.Fatalf("the pipe has %d bytes, %v", n, err)
	}
	c.write([]byte("again\n"))
	if n, err = r.Read(got); err != nil || string(got[:n]) != "again\n" {
		t.Errorf("after the pipe was read: %q, %v", got[:n], err)
	}
}

func TestConsoleWaitsForABlockingPipe(t *testing.T) {
	r, w := newPipe(t, 0)
	c, _ := newTestConsole(t, w)
	want := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MB
	read := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(io.LimitReader(r, int64(len(want))))
		read <- b
	}()
	c.write(want)
	if got := <-read; !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, want %d", len(got), len(want))
	}
}

func TestConsoleStopsWaiting(t *testing.T) {
	_, w := newPipe(t, 0)
	c, s := newTestConsole(t, w)
	go s.stop()
	c.write(make([]byte, 1<<20)) // nobody reads
}

func TestConsoleWithoutReader(t *testing.T) {
	for name, flags := range map[string]int{"blocking": 0, "non-blocking": syscall.O_NONBLOCK} {
		t.Run(name, func(t *testing.T) {
			r, w := newPipe(t, flags)
			c, _ := newTestConsole(t, w)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			c.write([]byte("into the void\n"))
		})
	}
}

func TestConsoleIsAFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "console")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := linux.FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	c, _ := newTestConsole(t, fd)
	want := bytes.Repeat([]byte("line\n"), 10_000)
	c.write(want)
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has %d bytes, %v", len(got), err)
	}
}

func TestConsoleClosed(t *testing.T) {
	if _, err := newConsole(linux.NewFD(-1), linux.NewFD(-1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("newConsole of nothing: %v", err)
	}
}
