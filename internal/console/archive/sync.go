package archive

import (
	"log/slog"
	"time"
)

// syncTime is how long lines may wait, once they are written, until they are on
// the disk for sure.
const syncTime = 30 * time.Second

// durable has what was written brought to the disk, of all logs at once.
type durable struct {
	sync  func() error
	after time.Duration
	log   *slog.Logger
	dirty chan struct{} // has an element if something was written
	stop  chan struct{} // closed by close
}

func newDurable(sync func() error, after time.Duration, log *slog.Logger) *durable {
	return &durable{sync: sync, after: after, log: log, dirty: make(chan struct{}, 1), stop: make(chan struct{})}
}

func (d *durable) close() { close(d.stop) }

// soon has run come round.
func (d *durable) soon() {
	select {
	case d.dirty <- struct{}{}:
	default:
	}
}

// run runs until close. What was written by then, the kernel brings to the disk
// in its own time.
func (d *durable) run() {
	timer := time.NewTimer(d.after)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-d.stop:
			return
		case <-d.dirty:
		}
		timer.Reset(d.after)
		select {
		case <-d.stop:
			return
		case <-timer.C:
		}
		err := d.sync()
		if err != nil && !failing {
			d.log.Error("logs of consoles cannot be brought to the disk", "error", err)
		}
		failing = err != nil
	}
}
