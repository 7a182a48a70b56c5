package host

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"albatross/internal/testutil"
)

// TestFarewellsOutliveTheDaemon ends the daemon while last lines wait for the
// console daemon: the next one finds all of them.
func TestFarewellsOutliveTheDaemon(t *testing.T) {
	w := newWorld(t)
	must(t, os.WriteFile(w.cfg.Tmp.Console(), nil, 0o600)) // as a console daemon that is away leaves its socket
	const many = 10
	for i := range many {
		n := fmt.Sprint("u", i)
		must(t, w.create(n, "ticker", config(), false))
		_, err := w.host.Destroy(t.Context(), name(t, n))
		must(t, err)
	}
	for range 3 {
		if ids, fifos := w.listed(), entries(w.cfg.Tmp.FIFOs()); len(ids) != many || len(fifos) != many {
			t.Errorf("the keeper has %d consoles that were not read, there are %d FIFOs, want %d", len(ids), len(fifos), many)
		}
		w.close()
		w.open()
	}
	w.close()
	must(t, os.Remove(w.cfg.Tmp.Console())) // there is none after all
	w.open()
}

// TestConsoleThatHasNotReadYet is connected, but has not opened the FIFO of a
// unikernel that ends.
func TestConsoleThatHasNotReadYet(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("a", "ticker", config(), false))
	l, err := net.Listen("unix", w.cfg.Tmp.Console())
	must(t, err)
	conn, err := l.Accept() // it is busy: it reads nothing
	must(t, err)
	testutil.Eventually(t, 5*time.Second, func() error {
		w.host.console.mu.Lock()
		defer w.host.console.mu.Unlock()
		if w.host.console.conn == nil {
			return errors.New("not connected")
		}
		return nil
	})
	_, err = w.host.Destroy(t.Context(), name(t, "a"))
	must(t, err)
	if fifos := entries(w.cfg.Tmp.FIFOs()); len(fifos) != 1 || len(w.listed()) != 1 {
		t.Errorf("nobody has read the console, and there are FIFOs %v, the keeper has %v", fifos, w.listed())
	}
	w.close()
	must(t, errors.Join(conn.Close(), l.Close())) // which removes the socket
	w.open()
}
