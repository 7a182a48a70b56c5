package keeper

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"

	"pgregory.net/rapid"
)

// pipeInVault puts the writing end of a new pipe into v, and nowhere else.
func pipeInVault(t rapid.TB, v *vault) (r *os.File, d *deposit) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if d, err = v.put(int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return r, d
}

// isOpen reports whether somebody has the writing end of a pipe.
func isOpen(t rapid.TB, r *os.File) bool {
	if err := r.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	raw, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var readErr error
	var n int
	if err := raw.Control(func(fd uintptr) { n, readErr = syscall.Read(int(fd), make([]byte, 1)) }); err != nil {
		t.Fatal(err)
	}
	if n > 0 || readErr != nil && !errors.Is(readErr, syscall.EAGAIN) {
		t.Fatalf("read %d bytes, %v", n, readErr)
	}
	return readErr != nil
}

// TestVault: what is in the vault is open, what was dropped is not, in whatever
// order, and nothing is left in the end.
func TestVault(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	rapid.Check(t, func(t *rapid.T) {
		var v vault
		type pipe struct {
			r *os.File
			d *deposit
		}
		var all []pipe
		drop := func(i int) {
			p := all[i]
			all = append(all[:i], all[i+1:]...)
			v.drop(p.d)
			if isOpen(t, p.r) {
				t.Error("what was dropped is open")
			}
			_ = p.r.Close()
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if i := rapid.IntRange(-len(all)-1, len(all)-1).Draw(t, "which"); i >= 0 {
				drop(i)
			} else {
				r, d := pipeInVault(t, &v)
				all = append(all, pipe{r, d})
			}
			for _, p := range all {
				if !isOpen(t, p.r) {
					t.Fatal("what is held is not open")
				}
			}
		}
		for len(all) > 0 {
			drop(rapid.IntRange(0, len(all)-1).Draw(t, "last"))
		}
	})
}

// TestVaultWithoutRoom: where a box is full or cannot be made, descriptors are
// held all the same.
func TestVaultWithoutRoom(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	v := vault{boxes: []*box{{in: -1, out: -1}}} // nothing can be sent into it
	r, d := pipeInVault(t, &v)
	defer r.Close()
	if d.box != nil || !isOpen(t, r) {
		t.Errorf("deposit %+v is open: %t", d, isOpen(t, r))
	}
	v.drop(d)
	if isOpen(t, r) {
		t.Error("it is open after it was dropped")
	}
}
