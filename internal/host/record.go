package host

import (
	"fmt"
	"sync"
	"time"

	"albatross/internal/store"
	"albatross/internal/vm"
)

// writeRecord returns what makes a record durable, once, after the image it names.
func (h *Host) writeRecord(record store.Unikernel, src source) func() error {
	return sync.OnceValue(func() error {
		if err := src.stored(); err != nil {
			return err
		}
		if err := h.store.Put(record); err != nil {
			return recordError(err)
		}
		h.cfg.Steps.Done("record written")
		return nil
	})
}

// unwriteRecord deletes the record of a unikernel that could not be started, once
// write has come to an end. If that fails it is tried until it can be done: the next
// daemon would start what the client was told is not there. The lock of the name is
// held.
func (h *Host) unwriteRecord(record store.Unikernel, write func() error) error {
	if write() != nil {
		return nil
	}
	err := h.store.Delete(record.Name, nil)
	if err == nil {
		h.cfg.Steps.Done("record deleted")
		return nil
	}
	h.retain(record.Image) // as long as there is the record
	h.do(func() {
		for !h.tryUnwrite(record.Name) {
			select {
			case <-h.ctx.Done(): // the next daemon starts it
				return
			case <-time.After(settleRetry):
			}
		}
		h.release(record.Image)
	})
	return fmt.Errorf("deleting the record of %s, which is tried again: %w", record.Name, recordError(err))
}

// tryUnwrite deletes the record of a unikernel that is not there. One that was
// created since has a record of its own in its place.
func (h *Host) tryUnwrite(n vm.Name) bool {
	unlock, err := h.names.lock(h.ctx, n)
	if err != nil {
		return false // the daemon ends
	}
	defer unlock()
	return h.unit(n) != nil || h.store.Delete(n, nil) == nil
}
