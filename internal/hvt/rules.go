package hvt

import (
	"syscall"

	"albatross/internal/image"
	"albatross/internal/seccomp"
)

// guestRules lists what hypercalls, and the end of a guest, take, with the
// descriptors that each may be used on. What is called most comes first.
func (m *machine) guestRules() []seccomp.Rule {
	allow, equal := seccomp.Allow, seccomp.Equal
	fd := func(n int) seccomp.Condition { return equal(0, uint64(n)) }
	var rules []seccomp.Rule
	vcpu, requests := m.cpu.RunRequests()
	for _, r := range requests {
		rules = append(rules, allow(syscall.SYS_IOCTL, fd(vcpu), equal(1, r)))
	}
	rules = append(rules,
		waiting(m.waits.epoll.Int()),
		allow(syscall.SYS_TIMERFD_SETTIME, fd(m.waits.timer.Int()), equal(1, 0)),
		allow(syscall.SYS_WRITE, fd(m.console.fd.Int())))
	for _, d := range m.devices {
		rules = append(rules, d.rules()...)
	}
	if m.console.room != nil {
		rules = append(rules, waiting(m.console.room.Int()))
	}
	return append(rules,
		// A tap that vanished is waited for no more.
		allow(syscall.SYS_EPOLL_CTL, fd(m.waits.epoll.Int()), equal(1, syscall.EPOLL_CTL_DEL)),
		// The end of the guest. It takes powers away, whatever is closed.
		allow(syscall.SYS_CLOSE))
}

// waiting allows to wait for an epoll set, with the signals as they are.
func waiting(epoll int) seccomp.Rule {
	return seccomp.Allow(syscall.SYS_EPOLL_PWAIT, seccomp.Equal(0, uint64(epoll)), seccomp.Equal(4, 0))
}

// rules lists what the device takes. A block device is read and written from
// within its bounds; that a range also ends there is not for a filter to add up.
func (d *device) rules() []seccomp.Rule {
	fd := seccomp.Equal(0, uint64(d.fd.Int()))
	switch {
	case d.kind == image.KindNet:
		return []seccomp.Rule{
			seccomp.Allow(syscall.SYS_READ, fd),
			seccomp.Allow(syscall.SYS_WRITE, fd),
		}
	case d.kind == image.KindBlock && d.capacity > 0:
		length, offset := seccomp.AtMost(2, d.capacity), seccomp.AtMost(3, d.capacity-1)
		return []seccomp.Rule{
			seccomp.Allow(syscall.SYS_PREAD64, fd, length, offset),
			seccomp.Allow(syscall.SYS_PWRITE64, fd, length, offset),
		}
	}
	return nil
}

// Constants of Linux that package syscall lacks.
const (
	futexWaitPrivate = 128
	futexWakePrivate = 129

	clockRealtime  = 0
	clockMonotonic = 1

	madvFree     = 8
	madvCollapse = 25

	prSetVMA         = 0x53564d41
	prSetVMAAnonName = 0
)

// runtimeRules lists what the runtime of Go does by itself in the process pid,
// poller being its descriptors for that. They are the system calls of Go 1.26's
// sys_linux_amd64.s, os_linux.go, mem_linux.go and netpoll_epoll.go but for those
// of the start, of profiling and of what GODEBUG=efence=1 is for.
//
// Memory can be had and given back, but not what is executable; threads can be
// started, but no processes; signals are for this process alone.
func runtimeRules(pid int, poller []int) []seccomp.Rule {
	allow, equal := seccomp.Allow, seccomp.Equal
	self := equal(0, uint64(pid))
	rules := []seccomp.Rule{
		// Scheduling. The clock is read without a system call where it can be.
		allow(syscall.SYS_FUTEX, equal(1, futexWaitPrivate)),
		allow(syscall.SYS_FUTEX, equal(1, futexWakePrivate)),
		allow(syscall.SYS_CLOCK_GETTIME, equal(0, clockMonotonic)),
		allow(syscall.SYS_CLOCK_GETTIME, equal(0, clockRealtime)),
		allow(syscall.SYS_NANOSLEEP, equal(1, 0)),
		allow(syscall.SYS_SCHED_YIELD),
		allow(syscall.SYS_RESTART_SYSCALL), // Linux, after SIGCONT
		allow(syscall.SYS_CLONE, equal(0, threadFlags)),
		allow(syscall.SYS_EXIT),

		// Signals: preemption, those that end the guest, and crashes.
		allow(syscall.SYS_TGKILL, self),
		allow(syscall.SYS_KILL, self, equal(1, uint64(syscall.SIGQUIT))), // GOTRACEBACK=crash
		allow(syscall.SYS_RT_SIGRETURN),
		allow(syscall.SYS_RT_SIGPROCMASK),
		allow(syscall.SYS_RT_SIGACTION),
		allow(syscall.SYS_SIGALTSTACK),
		allow(syscall.SYS_GETPID),
		allow(syscall.SYS_GETTID),

		// Messages, and the end.
		allow(syscall.SYS_WRITE, equal(0, uint64(syscall.Stderr))),
		allow(syscall.SYS_EXIT_GROUP),
	}
	for _, fd := range poller {
		rules = append(rules,
			waiting(fd),
			allow(syscall.SYS_READ, equal(0, uint64(fd))),
			allow(syscall.SYS_WRITE, equal(0, uint64(fd))))
	}
	return append(rules, memoryRules()...)
}

// threadFlags are the flags with which the runtime starts every thread.
const threadFlags = syscall.CLONE_VM | syscall.CLONE_FS | syscall.CLONE_FILES | syscall.CLONE_SIGHAND |
	syscall.CLONE_SYSVSEM | syscall.CLONE_THREAD | syscall.CLONE_SETTLS

// memoryRules lists how the runtime manages its memory, which is anonymous and
// private. Other advice than its own would share pages with neighbours, or more.
func memoryRules() []seccomp.Rule {
	allow, equal := seccomp.Allow, seccomp.Equal
	const anonymous = syscall.MAP_ANON | syscall.MAP_PRIVATE
	var rules []seccomp.Rule
	for _, flags := range []uint64{anonymous, anonymous | syscall.MAP_FIXED} {
		rules = append(rules, allow(syscall.SYS_MMAP,
			seccomp.AtMost(2, syscall.PROT_READ|syscall.PROT_WRITE), equal(3, flags)))
	}
	for _, advice := range []uint64{syscall.MADV_DONTNEED, madvFree, syscall.MADV_HUGEPAGE, syscall.MADV_NOHUGEPAGE, madvCollapse} {
		rules = append(rules, allow(syscall.SYS_MADVISE, equal(2, advice)))
	}
	return append(rules,
		allow(syscall.SYS_MUNMAP),
		// The name of a mapping in /proc/PID/maps.
		allow(syscall.SYS_PRCTL, equal(0, prSetVMA), equal(1, prSetVMAAnonName)))
}
