package linux

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxFilter is the most instructions that the kernel takes (BPF_MAXINSNS).
const maxFilter = 4096

// FilterSystemCalls puts all threads of this process, those to come and all
// children under a filter of system calls, for good: a program of struct
// sock_filter instructions, 8 bytes each. As a filter takes, the process also
// gives up the gain of privileges by executing programs (no_new_privs).
//
// It needs seccomp(2) with SECCOMP_FILTER_FLAG_TSYNC (Linux 3.17) and says so
// where the kernel lacks that; nothing has changed then. A thread that is under
// a filter which the calling one is not under makes it fail, too.
func FilterSystemCalls(program []byte) error {
	const size = int(unsafe.Sizeof(unix.SockFilter{}))
	if len(program) == 0 || len(program)%size != 0 || len(program) > maxFilter*size {
		return fmt.Errorf("install system call filter: %d bytes are no program", len(program))
	}
	if err := checkFilterOfAllThreads(); err != nil {
		return err
	}
	// Both calls are about the calling thread; the second carries the effect of
	// the first over to the others.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	thread, errno := filterAllThreads(&unix.SockFprog{
		Len:    uint16(len(program) / size),
		Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(program))),
	})
	switch {
	case errno != 0:
		return fmt.Errorf("install system call filter: %w", errno)
	case thread != 0:
		return fmt.Errorf("install system call filter: thread %d is under another one", thread)
	}
	return nil
}

// checkFilterOfAllThreads says what the kernel lacks. Without a program it
// answers EFAULT if it would have taken one.
func checkFilterOfAllThreads() error {
	_, errno := filterAllThreads(nil)
	switch errno {
	case unix.EFAULT:
		return nil
	case unix.ENOSYS, unix.EINVAL:
		return fmt.Errorf("install system call filter: this kernel cannot filter all threads of a process, "+
			"which takes Linux 3.17 or later with CONFIG_SECCOMP_FILTER: %w", errno)
	}
	return fmt.Errorf("install system call filter: %w", errno)
}

// filterAllThreads is seccomp(2). It returns the thread that could not be put
// under the filter, 0 if all were.
func filterAllThreads(program *unix.SockFprog) (thread uintptr, errno unix.Errno) {
	thread, _, errno = unix.RawSyscall(unix.SYS_SECCOMP,
		unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(program)))
	return thread, errno
}
