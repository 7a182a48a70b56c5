package hvt

import (
	"errors"
	"math"
	"syscall"
	"time"

	"albatross/internal/image"
	"albatross/internal/linux"
)

// Marks in an epoll set of what is not a tap; those have their handles.
const (
	dataTimer = 0xfffffffe
	dataStop  = 0xffffffff
)

// waitSet is what the hypercall POLL waits on: the taps, a timer, and the end.
type waitSet struct {
	epoll, timer *linux.FD
	events       []linux.EpollEvent // room for all at once
}

func newWaitSet(stop *linux.FD) (_ *waitSet, err error) {
	w := &waitSet{events: make([]linux.EpollEvent, image.MaxEntries+2)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.epoll, err = linux.NewEpoll(); err != nil {
		return nil, err
	}
	if w.timer, err = linux.NewTimerFD(); err != nil {
		return nil, err
	}
	if err := w.add(w.timer, dataTimer); err != nil {
		return nil, err
	}
	return w, w.add(stop, dataStop)
}

// add makes wait end when fd has something to read. The data of a tap is its
// handle.
func (w *waitSet) add(fd *linux.FD, data uint64) error {
	return linux.EpollAdd(w.epoll, fd.Int(), linux.EpollIn, data)
}

// remove makes wait ignore fd from now on.
func (w *waitSet) remove(fd *linux.FD) {
	// It fails only for one that is not in the set, which is what is wanted.
	_ = syscall.EpollCtl(w.epoll.Int(), syscall.EPOLL_CTL_DEL, fd.Int(), nil)
}

// wait waits until a tap has a frame, timeout nanoseconds have passed, or the
// guest is to stop. It returns the taps that have one, as a set of handles and
// as a number.
func (w *waitSet) wait(timeout uint64) (ready uint64, n uint32, err error) {
	wait := time.Duration(0)
	if timeout > 0 {
		// The timer is exact, the timeout of epoll is not. What overflows a
		// Duration is three centuries away.
		if err := linux.SetTimer(w.timer, time.Duration(min(timeout, math.MaxInt64))); err != nil {
			return 0, 0, err
		}
		wait = -1
	}
	got, err := linux.EpollWait(w.epoll, w.events, wait)
	if err != nil {
		return 0, 0, err
	}
	for i := range w.events[:got] {
		if handle := w.events[i].Data(); handle < image.MaxEntries {
			ready |= 1 << handle
			n++
		}
	}
	return ready, n, nil
}

func (w *waitSet) close() error { return errors.Join(w.epoll.Close(), w.timer.Close()) }
