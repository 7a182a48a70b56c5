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
	c, err := newConsole(fd, s.wait, false)
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

// printTo writes what a console must take or drop.
func printTo(t testing.TB, c *console, p []byte) {
	t.Helper()
	if err := c.write(p); err != nil {
		t.Error(err)
	}
}

func TestConsoleDropsWhatAFullPipeDoesNotTake(t *testing.T) {
	r, w := newPipe(t, syscall.O_NONBLOCK)
	c, _ := newTestConsole(t, w)
	line := bytes.Repeat([]byte("0123456789abcde\n"), 64)
	const lines = 1000 // 1 MB, a pipe holds 64 KB
	for range lines {
		printTo(t, c, line)
	}
	got := make([]byte, lines*len(line))
	n, err := r.Read(got)
	if err != nil || n < 4096 || n%16 != 0 {
		t.Fatalf("the pipe has %d bytes, %v", n, err)
	}
	printTo(t, c, []byte("again\n"))
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
	printTo(t, c, want)
	if got := <-read; !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, want %d", len(got), len(want))
	}
}

func TestConsoleStopsWaiting(t *testing.T) {
	_, w := newPipe(t, 0)
	c, s := newTestConsole(t, w)
	go s.stop()
	printTo(t, c, make([]byte, 1<<20)) // nobody reads
}

func TestConsoleWithoutReader(t *testing.T) {
	for name, flags := range map[string]int{"blocking": 0, "non-blocking": syscall.O_NONBLOCK} {
		t.Run(name, func(t *testing.T) {
			r, w := newPipe(t, flags)
			c, _ := newTestConsole(t, w)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			text := []byte("into the void\n")
			printTo(t, c, text)
			c.needsReader = true
			if err := c.write(text); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("where a reader is needed: %v, want EPIPE", err)
			}
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
	printTo(t, c, want)
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has %d bytes, %v", len(got), err)
	}
}

func TestConsoleClosed(t *testing.T) {
	if _, err := newConsole(linux.NewFD(-1), linux.NewFD(-1), false); !errors.Is(err, syscall.EBADF) {
		t.Errorf("newConsole of nothing: %v", err)
	}
}
