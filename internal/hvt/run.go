package hvt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"syscall"

	"albatross/internal/image"
	"albatross/internal/kvm"
	"albatross/internal/linux"
)

// Config is a guest to run. Everything in it stays the caller's, and must stay
// open until Run returns.
type Config struct {
	KVM       *kvm.System
	Image     *image.Image // of image.TargetHVT
	ImageFile io.ReaderAt  // what Image was read from; not needed once the guest runs
	Memory    uint64       // bytes; a result of RoundMemory

	CommandLine string // at most 8191 bytes, no zero byte

	// Devices has one attachment for each device of the manifest. FD is the
	// descriptor of a non-blocking tap or of a block file; the other fields
	// are what the guest is told.
	Devices []image.Attachment

	Console     *linux.FD // takes the guest's output; see the package comment
	NeedsReader bool      // end the guest when it prints and Console is a pipe that nobody can read any more

	// Confined puts the whole process, for good, under a filter of system calls
	// that permits what running this guest takes and kills for anything else.
	// Everything that is still to be opened by then is lost.
	Confined bool

	Running func() // if not nil, called once, right before the guest runs; confined by then
}

func (c Config) check() error {
	if c.Image.Target != image.TargetHVT {
		return fmt.Errorf("the image is for the target %v, not %v", c.Image.Target, image.TargetHVT)
	}
	if rounded, err := RoundMemory(c.Memory); err != nil || rounded != c.Memory {
		return errors.Join(fmt.Errorf("guest memory of %d bytes: not a multiple of %d", c.Memory, largePageSize), err)
	}
	return nil
}

// Run runs the guest until it halts and returns its exit status modulo 256. If
// the guest could not be started, did something it must not do, or was stopped
// because ctx ended, the status is 1 and the error says what happened; in the
// last case it wraps the cause of ctx.
func Run(ctx context.Context, c Config) (exit int, err error) {
	if err := c.check(); err != nil {
		return 1, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m, err := newMachine(c)
	if err != nil {
		return 1, err
	}
	// The guest has ended by then: how freeing its remains went is no part of
	// its exit status.
	defer func() { _ = m.close() }()
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-ctx.Done():
			m.stop()
		case <-done:
		}
	})
	defer watcher.Wait()
	defer close(done)
	if c.Confined {
		if err := m.confine(); err != nil {
			return 1, err
		}
	}
	if c.Running != nil {
		c.Running()
	}
	status, err := m.run()
	switch {
	case errors.Is(err, kvm.ErrStopped):
		return 1, fmt.Errorf("stopped: %w", context.Cause(ctx))
	case err != nil:
		return 1, err
	}
	return int(status & 0xff), nil
}

// stop ends run from another goroutine, wherever it is.
func (m *machine) stop() {
	// The only way for the signal to fail is a thread that is gone, but run is
	// still there: it is waited for.
	_ = m.cpu.Stop()
	m.stopper.stop()
}

// run lets the guest run until it halts, and returns its exit status.
func (m *machine) run() (status uint32, err error) {
	for {
		reason, err := m.cpu.Run()
		switch {
		case errors.Is(err, syscall.EFAULT):
			return 0, m.at(errors.New("host/guest translation fault: the guest used memory in a way it may not"))
		case err != nil:
			return 0, err
		case reason != kvm.ExitIO:
			return 0, m.at(m.unexpected(reason))
		}
		access := m.cpu.IO()
		nr := hypercall(access.Port - hypercallPort) // wraps for ports below
		if !access.Out || access.Size != 4 || access.Count != 1 || nr == 0 || nr > hypercallHalt {
			return 0, m.at(fmt.Errorf("invalid guest port access: port=0x%x, %d bytes", access.Port, access.Size))
		}
		if nr == hypercallHalt {
			status, err = m.halt(uint64(access.Data))
		} else {
			err = m.answer(nr, uint64(access.Data))
		}
		if err != nil {
			return 0, m.at(fmt.Errorf("hypercall %v: %w", nr, err))
		}
		if nr == hypercallHalt {
			return status, nil
		}
	}
}

// unexpected says what an exit means that is not the access of a port.
func (m *machine) unexpected(reason kvm.ExitReason) error {
	switch reason {
	case kvm.ExitMMIO:
		access := m.cpu.MMIO()
		verb := "read"
		if access.Write {
			verb = "write"
		}
		if access.Addr < m.mem.Size() {
			return fmt.Errorf("host/guest translation fault: %s of %d bytes at 0x%x", verb, access.Len, access.Addr)
		}
		return fmt.Errorf("%s of %d bytes at 0x%x, outside of memory", verb, access.Len, access.Addr)
	case kvm.ExitShutdown:
		return errors.New("the guest shut its processor down (triple fault)")
	case kvm.ExitFailEntry:
		return fmt.Errorf("KVM: entry failure: hw_entry_failure_reason=0x%x", m.cpu.EntryFailure())
	case kvm.ExitInternalError:
		return fmt.Errorf("KVM: internal error exit: suberror=0x%x", m.cpu.InternalError())
	}
	return fmt.Errorf("KVM: unhandled exit: %v", reason)
}

// at adds where the guest was to an error.
func (m *machine) at(err error) error {
	regs, regsErr := m.cpu.Regs()
	if regsErr != nil {
		return errors.Join(err, regsErr)
	}
	return fmt.Errorf("%w: rip=0x%x", err, regs.RIP)
}
