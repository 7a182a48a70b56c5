package events

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// keepDurable brings events to the disk, many at a time: at the latest so long
// after one was appended, and when the log is closed.
func (l *Log) keepDurable(after time.Duration) {
	defer close(l.done)
	failing := false
	sync := func() {
		err := l.sync()
		if err != nil && !failing {
			l.log.Error("the event log cannot be brought to the disk", "error", err)
		}
		failing = err != nil
	}
	defer sync()
	for {
		select {
		case <-l.stop:
			return
		case <-l.dirty:
		}
		pause := time.NewTimer(after)
		select {
		case <-l.stop:
			pause.Stop()
			return
		case <-pause.C:
			sync()
		}
	}
}

// soon has keepDurable come round.
func (l *Log) soon() {
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// sync makes durable what was appended so far. It closes segments that are full.
func (l *Log) sync() error {
	l.mu.Lock()
	retired, current := l.retired, l.file
	l.retired = nil
	l.mu.Unlock()
	var errs []error
	for _, f := range retired {
		errs = append(errs, f.Sync(), f.Close())
	}
	if current != nil {
		errs = append(errs, current.Sync())
	}
	return errors.Join(append(errs, l.syncDirectory(current))...)
}

// syncDirectory makes the names of new segments durable.
func (l *Log) syncDirectory(current *os.File) error {
	if current == nil || current == l.named {
		return nil
	}
	d, err := os.Open(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody has removed it, and the log with it
	}
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return err
	}
	l.named = current
	return nil
}
