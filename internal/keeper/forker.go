package keeper

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

// From Linux's headers.
const (
	prCapbsetDrop   = 24
	prSetNoNewPrivs = 38
	lastCapability  = 63 // no kernel knows more
	maxCPU          = 1023
)

// fork has forker start the program that the last of fds is.
func (t *table) fork(s Spawn, fds []int, place placement) (pid int, err error) {
	path, argv, attr := s.process(fds, place)
	done := make(chan struct{})
	t.forks <- func() {
		defer close(done)
		if err = placeThread(s.CPUs, t.cpus); err == nil {
			pid, err = place.start(func() (int, error) { return syscall.ForkExec(path, argv, attr) })
		}
	}
	<-done
	return pid, err
}

// process says what ForkExec is to start.
func (s Spawn) process(fds []int, place placement) (path string, argv []string, attr *syscall.ProcAttr) {
	for _, arg := range s.Argv {
		argv = append(argv, string(arg))
	}
	attr = &syscall.ProcAttr{Env: []string{}, Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}}
	for _, fd := range fds {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	if s.UID != 0 || s.GID != 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID)}
	}
	if place.inside >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, place.inside
	}
	return "/proc/self/fd/" + strconv.Itoa(len(fds)-1), argv, attr
}

// forker is the thread that starts all children. A child gets SIGKILL when the
// thread that started it ends, so that no unikernel outlives the one process
// that can tell how it ended; the thread must therefore last as long as the
// keeper does. Children inherit what the thread has given up, and its CPUs.
//
// It is not the first thread of the process: what /proc/PID tells of the process,
// its control groups above all, is that of the first one, which stays at home.
func (t *table) forker() {
	runtime.LockOSThread()
	if syscall.Gettid() != os.Getpid() {
		t.serveForks()
		return
	}
	locked := make(chan struct{})
	go func() { // gets another thread, since this one is taken
		runtime.LockOSThread()
		close(locked)
		t.serveForks()
	}()
	<-locked
	runtime.UnlockOSThread()
}

func (t *table) serveForks() {
	giveUpPrivileges()
	for f := range t.forks {
		f()
	}
}

// giveUpPrivileges makes sure that no program which this thread starts gains
// privileges by executing another. Errors say that there is nothing to give up:
// the kernel does not know the capability, or the keeper is not privileged.
func giveUpPrivileges() {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0)
	for c := uintptr(0); c <= lastCapability; c++ {
		_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prCapbsetDrop, c, 0, 0, 0, 0)
	}
}

// cpuSet is the kernel's cpu_set_t.
type cpuSet [(maxCPU + 1) / 64]uint64

// placeThread makes this thread, and what it starts, run on the given CPUs; none
// stands for all.
func placeThread(cpus []int, all cpuSet) error {
	set := all
	if len(cpus) > 0 {
		set = cpuSet{}
		for _, c := range cpus {
			if c < 0 || c > maxCPU {
				return fmt.Errorf("CPU %d is not in 0…%d", c, maxCPU)
			}
			set[c/64] |= 1 << (c % 64)
		}
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return fmt.Errorf("running on the CPUs %v: %w", cpus, errno)
	}
	return nil
}

// ownCPUs returns the CPUs that the keeper runs on.
func ownCPUs() cpuSet {
	var set cpuSet
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	return set
}

// Confine closes what the keeper may have inherited to its children, and turns
// core dumps of theirs off. A process calls it once, before it starts any.
func Confine() error {
	const (
		sysCloseRange     = 436
		closeRangeCloexec = 4
		firstNotStandard  = 3
		lastDescriptor    = 1<<32 - 1
		rlimitCore        = 4
	)
	if _, _, errno := syscall.Syscall(sysCloseRange, firstNotStandard, lastDescriptor, closeRangeCloexec); errno != 0 {
		return fmt.Errorf("marking inherited descriptors to be closed: %w", errno)
	}
	if err := syscall.Setrlimit(rlimitCore, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("turning core dumps off: %w", err)
	}
	return nil
}
