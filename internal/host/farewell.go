package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"albatross/internal/keeper"
	"albatross/internal/vm"
)

// What a unikernel wrote last is in the pipe of its console. While the console
// daemon is being restarted, the keeper, which holds the pipe, must not yet
// forget a process that has ended, nor the FIFO go by which the console daemon
// finds it.
const (
	farewellTime  = time.Minute // for the console daemon to come back
	mostFarewells = 1024        // that wait for it; others go unread
)

// dropConsole gives up the console of the process id of n, unread lines included.
// The lock of the name is held.
func (h *Host) dropConsole(ctx context.Context, n vm.Name, id string) {
	if err := h.keeper.forget(ctx, id); err != nil && !errors.Is(err, keeper.ErrUnknown) {
		h.log.WarnContext(ctx, "the keeper does not forget", "unikernel", n, "error", err)
	}
	h.cfg.Steps.Done("process forgotten")
	if h.awaitsReader(n) {
		return // the pipe has lines of another process as well
	}
	if err := os.Remove(h.cfg.Tmp.FIFO(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.log.WarnContext(ctx, "cannot remove the console's FIFO", "unikernel", n, "error", err)
	}
	h.cfg.Steps.Done("FIFO removed")
	h.console.remove(n)
}

// bidFarewell gives up the console of an ended process once the console daemon,
// which is away, reads it. It reports false if that is not worth waiting for.
func (h *Host) bidFarewell(n vm.Name, id string) bool {
	if !h.console.away(n) {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.farewells) >= mostFarewells || h.ctx.Err() != nil {
		return h.ctx.Err() != nil // the next daemon finds it
	}
	h.farewells[id] = n
	h.work.Go(func() { h.farewell(n, id) })
	return true
}

func (h *Host) farewell(n vm.Name, id string) {
	ctx, cancel := context.WithTimeout(h.ctx, farewellTime)
	defer cancel()
	if err := h.console.await(ctx, n); err != nil && h.ctx.Err() == nil {
		h.log.Warn("the console daemon does not come back: the last lines of a unikernel are lost", "unikernel", n)
	}
	unlock, err := h.names.lock(h.ctx, n)
	if err != nil {
		return // the daemon ends; the next one finds it
	}
	defer unlock()
	h.mu.Lock()
	delete(h.farewells, id)
	u := h.units[n]
	runs := u != nil && u.run != nil
	h.mu.Unlock()
	if !runs {
		h.dropConsole(h.ctx, n, id)
		return
	}
	// It was started again, with the same pipe.
	if err := h.keeper.forget(h.ctx, id); err != nil && !errors.Is(err, keeper.ErrUnknown) {
		h.log.Warn("the keeper does not forget", "unikernel", n, "error", err)
	}
}

// awaitsReader reports whether the FIFO of n has lines of a process that has
// ended.
func (h *Host) awaitsReader(n vm.Name) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range h.farewells {
		if name == n {
			return true
		}
	}
	return false
}
