package kvm

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"albatross/internal/linux"

	"golang.org/x/sys/unix"
)

// ErrStopped is what Run returns once Stop was called.
var ErrStopped = errors.New("kvm: stopped")

// VCPU is the processor of a guest. All methods but Stop belong to the thread
// that created it.
type VCPU struct {
	fd     *linux.FD
	shared []byte   // the mapping of fd
	run    *runPage // its beginning

	tgid, tid int // the thread that runs it, for Stop
	stopped   atomic.Bool
}

// Run lets the guest run until it exits to the tender, and says why it did.
// Errors are ErrStopped after Stop; one that wraps EFAULT where the guest used
// memory in a way that the host does not permit; or another failure of KVM_RUN.
// None of them can be resumed.
func (c *VCPU) Run() (ExitReason, error) {
	fd := uintptr(c.fd.Int())
	for {
		if c.stopped.Load() {
			return 0, ErrStopped
		}
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, ioRun, 0)
		switch errno {
		case 0:
			return ExitReason(c.run.exitReason), nil
		case unix.EINTR:
			// Either Stop's signal or the runtime asking for this thread. The
			// system call is raw and this loop calls nothing that could be
			// preempted, so yield explicitly: a stop-the-world waits for it.
			runtime.Gosched()
		default:
			return 0, fmt.Errorf("kvm: KVM_RUN: %w", errno)
		}
	}
}

// Stop makes the present and every further Run return ErrStopped, soon but not
// at once. It may be called from any goroutine, more than once, and must not
// be called after Close or after the end of the vCPU's thread.
func (c *VCPU) Stop() error {
	c.stopped.Store(true)
	c.run.requestImmediateExit()
	// SIGURG is the signal with which the Go runtime preempts threads: its
	// handler is there and harmless at any time.
	if err := unix.Tgkill(c.tgid, c.tid, unix.SIGURG); err != nil {
		return fmt.Errorf("kvm: interrupting thread %d: %w", c.tid, err)
	}
	return nil
}

// RunRequests returns the descriptor of the vCPU and the ioctl requests of Run and
// Regs, which are all that a guest takes once it runs: for a filter of system
// calls. KVM_RUN, the one that counts for speed, comes first.
func (c *VCPU) RunRequests() (fd int, requests []uint64) {
	return c.fd.Int(), []uint64{ioRun, ioGetRegs}
}

// TSCFrequency returns the rate of the guest's time-stamp counter in Hz, with
// the precision of KVM_GET_TSC_KHZ.
func (c *VCPU) TSCFrequency() (uint64, error) {
	kHz, err := ioctl(c.fd, "KVM_GET_TSC_KHZ", ioGetTSCKHz, 0)
	switch {
	case errors.Is(err, unix.EIO):
		return 0, fmt.Errorf("the time-stamp counter of this host is not stable, guests could not keep time: %w", err)
	case err != nil:
		return 0, err
	case kHz <= 0:
		return 0, fmt.Errorf("kvm: KVM_GET_TSC_KHZ answers %d", kHz)
	}
	return uint64(kHz) * 1000, nil
}

// Close unmaps and closes the vCPU.
func (c *VCPU) Close() error {
	var err error
	if c.shared != nil {
		err = unix.Munmap(c.shared)
		c.shared, c.run = nil, nil
	}
	return errors.Join(err, c.fd.Close())
}
