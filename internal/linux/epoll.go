package linux

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollIn is the event "there is something to read" (EPOLLIN).
const EpollIn uint32 = unix.EPOLLIN

// EpollEvent is one entry of what EpollWait reports, in the kernel's layout.
type EpollEvent unix.EpollEvent

// Data returns the 64 bits that EpollAdd was given.
func (e *EpollEvent) Data() uint64 {
	return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
}

// NewEpoll makes an empty epoll set.
func NewEpoll() (*FD, error) {
	raw, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	return NewFD(raw), nil
}

// EpollAdd watches the descriptor fd for events (EpollIn; level-triggered
// unless EPOLLET is set). data comes back with each event.
func EpollAdd(ep *FD, fd int, events uint32, data uint64) error {
	event := unix.EpollEvent{Events: events, Fd: int32(uint32(data)), Pad: int32(uint32(data >> 32))}
	if err := unix.EpollCtl(ep.Int(), unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("add fd %d to epoll set: %w", fd, err)
	}
	return nil
}

// EpollWait waits until at least one event is there or the time is over, and
// returns how many entries of events it filled (0: time over). A negative
// timeout waits for ever; others are rounded up to milliseconds, so a timerfd
// in the set is the way to be more precise. A signal does not end the wait and
// starts the timeout anew.
func EpollWait(ep *FD, events []EpollEvent, timeout time.Duration) (int, error) {
	const longest = 1<<31 - 1 // what fits into the call's C int
	msec := -1
	if timeout >= 0 {
		msec = int(min((timeout+time.Millisecond-1)/time.Millisecond, longest))
	}
	// The types differ in name only; a copy would cost an allocation a call.
	raw := unsafe.Slice((*unix.EpollEvent)(unsafe.SliceData(events)), len(events))
	n, err := retryValue(func() (int, error) { return unix.EpollWait(ep.Int(), raw, msec) })
	if err != nil {
		return 0, fmt.Errorf("wait on epoll set: %w", err)
	}
	return n, nil
}

// NewTimerFD makes a disarmed, non-blocking timer on CLOCK_MONOTONIC.
func NewTimerFD() (*FD, error) {
	raw, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create timer: %w", err)
	}
	return NewFD(raw), nil
}

// SetTimer arms a timer made by NewTimerFD to expire once after d, or disarms
// it if d is 0 or less. Setting it also clears an earlier expiry.
func SetTimer(fd *FD, d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 0))}
	if err := unix.TimerfdSettime(fd.Int(), 0, &spec, nil); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	return nil
}
