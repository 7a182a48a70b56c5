package archive

import (
	"log/slog"
	"time"

	"albatross/internal/vm"
)

// tellPause is how long after a failure to write was told another one is not. While it
// lasts, the pauses become longer.
const tellPause = time.Minute

// failures tells the logger of logs that cannot be written: mostly one disk is the
// cause for all.
type failures struct {
	log   *slog.Logger
	logs  map[vm.Name]error // that cannot be written
	told  bool
	last  time.Time // when the logger was told
	pause time.Duration
}

// note takes what came of writing to a log.
func (f *failures) note(n vm.Name, err error, now time.Time) {
	if err == nil {
		f.forget(n)
		f.over()
		return
	}
	f.logs[n] = err
	if now.Sub(f.last) < f.pause {
		return
	}
	f.log.Error("what a unikernel writes cannot be recorded", "unikernel", n, "error", err, "consoles", len(f.logs))
	if f.pause = max(2*f.pause, tellPause); !f.told {
		f.pause = tellPause
	}
	f.told, f.last = true, now
}

// forget takes a log that can be written, or that is gone.
func (f *failures) forget(n vm.Name) { delete(f.logs, n) }

// over tells that all can be written again.
func (f *failures) over() {
	if len(f.logs) > 0 || !f.told {
		return
	}
	f.log.Warn("what unikernels write is recorded again")
	f.told, f.pause = false, tellPause
}
