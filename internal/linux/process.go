package linux

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// SetChildSubreaper makes the calling process the new parent of all orphans
// among its descendants, instead of process 1 (PR_SET_CHILD_SUBREAPER). The
// process must wait for them then.
func SetChildSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become child subreaper: %w", err)
	}
	return nil
}

// SetProcName changes what ps and /proc/PID/comm call the process. The kernel
// keeps the first 15 bytes.
func SetProcName(name string) error {
	// prctl(PR_SET_NAME) names the calling thread, which in Go is any of them;
	// this file always stands for the main one.
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		return fmt.Errorf("set process name %q: %w", name, err)
	}
	return nil
}

// PidfdOpen returns a descriptor for a process (pidfd_open(2)). It goes on to
// mean this process after its number was reused, and polls readable when it has
// ended. Whoever did not start the process checks its start time after opening.
func PidfdOpen(pid int) (*FD, error) {
	raw, err := retryValue(func() (int, error) { return unix.PidfdOpen(pid, 0) })
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, notExist(err))
	}
	return NewFD(raw), nil
}

// PidfdSendSignal sends a signal to the process that fd stands for. If it has
// ended and was reaped the error matches syscall.ESRCH and fs.ErrNotExist.
func PidfdSendSignal(fd *FD, sig syscall.Signal) error {
	if err := retry(func() error { return unix.PidfdSendSignal(fd.Int(), sig, nil, 0) }); err != nil {
		return fmt.Errorf("send signal %d (%s) to process of %s: %w", int(sig), sig, fd, notExist(err))
	}
	return nil
}

// UnshareNet moves the calling thread into a new, empty network namespace in
// which even the loopback interface is down. The caller has locked its
// goroutine to the thread (runtime.LockOSThread) and never unlocks it, so that
// the runtime throws the thread away when the goroutine ends.
func UnshareNet() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	return nil
}
