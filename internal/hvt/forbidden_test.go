package hvt

import (
	"os"
	"syscall"
	"unsafe"
)

// args are those of a system call.
type args [6]uintptr

// forbidden is what nobody who took the tender over may do, by what it is good
// for. None would do harm if it were done.
var forbidden = map[string]func(*victim) (nr uintptr, a args){
	// Files, by name.
	"open":        is(syscall.SYS_OPEN, text(os.DevNull)),
	"openat":      is(syscall.SYS_OPENAT, atCWD, text(os.DevNull)),
	"openat2":     is(437, atCWD, text(os.DevNull), text(zeros), 24),
	"creat":       is(syscall.SYS_CREAT, text("/nowhere/at/all")),
	"stat":        is(syscall.SYS_STAT, text("/"), text(zeros)),
	"readlink":    is(syscall.SYS_READLINK, text("/proc/self/exe")),
	"unlink":      is(syscall.SYS_UNLINK, text("/nowhere/at/all")),
	"mkdir":       is(syscall.SYS_MKDIR, text("/nowhere/at/all")),
	"chdir":       is(syscall.SYS_CHDIR, text("/")),
	"chroot":      is(syscall.SYS_CHROOT, text("/")),
	"mount":       is(syscall.SYS_MOUNT, text(zeros), text("/nowhere/at/all")),
	"faccessat":   is(syscall.SYS_FACCESSAT, atCWD, text("/")),
	"mknod":       is(syscall.SYS_MKNOD, text("/nowhere/at/all")),
	"inotify":     is(syscall.SYS_INOTIFY_INIT1),
	"memfd":       is(319, text("memfd")),
	"name_to_fd":  is(304, bad), // open_by_handle_at
	"io_uring":    is(425, 1, text(zeros)),
	"userfaultfd": is(323),

	// Other programs and processes.
	"execve":             is(syscall.SYS_EXECVE, text("/bin/true")),
	"execveat":           is(322, atCWD, text("/bin/true")),
	"fork":               is(syscall.SYS_FORK),
	"vfork":              is(syscall.SYS_VFORK),
	"clone a process":    is(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD)),
	"clone with files":   is(syscall.SYS_CLONE, threadFlags&^syscall.CLONE_THREAD),
	"clone a namespace":  is(syscall.SYS_CLONE, threadFlags|syscall.CLONE_NEWUSER),
	"clone traced":       is(syscall.SYS_CLONE, threadFlags|syscall.CLONE_PTRACE),
	"clone, high bits":   is(syscall.SYS_CLONE, threadFlags|1<<40),
	"clone3":             is(435, text(zeros), 64),
	"unshare":            is(syscall.SYS_UNSHARE, syscall.CLONE_NEWUSER),
	"setns":              is(308, bad),
	"ptrace":             is(syscall.SYS_PTRACE, syscall.PTRACE_TRACEME),
	"process_vm_readv":   with(310, parent),
	"process_vm_writev":  with(311, parent),
	"kill the parent":    with(syscall.SYS_KILL, parent, 0),
	"kill all":           is(syscall.SYS_KILL, ^uintptr(0), 0),
	"kill the group":     is(syscall.SYS_KILL, 0, 0),
	"kill another":       is(syscall.SYS_KILL, 1<<30, uintptr(syscall.SIGQUIT)),
	"kill itself":        with(syscall.SYS_KILL, self, uintptr(syscall.SIGTERM)),
	"tgkill the parent":  with(syscall.SYS_TGKILL, parent, 0, 0),
	"tgkill, high bits":  with(syscall.SYS_TGKILL, func(v *victim) uintptr { return self(v) | 1<<32 }, 0, 0),
	"tkill":              with(syscall.SYS_TKILL, parent, 0),
	"rt_sigqueueinfo":    with(syscall.SYS_RT_SIGQUEUEINFO, parent, 0),
	"rt_tgsigqueueinfo":  with(syscall.SYS_RT_TGSIGQUEUEINFO, parent, 0),
	"pidfd_open":         with(434, parent),
	"pidfd_getfd":        is(438, bad),
	"pidfd_send_signal":  is(424, bad),
	"wait4":              is(syscall.SYS_WAIT4, ^uintptr(0)),
	"kcmp":               is(312),
	"prlimit":            with(302, parent),
	"setrlimit":          is(syscall.SYS_SETRLIMIT, syscall.RLIMIT_NOFILE, text(zeros)),
	"sched_setaffinity":  is(syscall.SYS_SCHED_SETAFFINITY),
	"sched_getaffinity":  is(syscall.SYS_SCHED_GETAFFINITY),
	"sched_setscheduler": is(syscall.SYS_SCHED_SETSCHEDULER, 0, 0, text(zeros)),
	"setpriority":        is(syscall.SYS_SETPRIORITY),

	// Networks.
	"socket":         is(syscall.SYS_SOCKET, syscall.AF_INET, syscall.SOCK_STREAM),
	"netlink":        is(syscall.SYS_SOCKET, syscall.AF_NETLINK, syscall.SOCK_RAW),
	"socketpair":     is(syscall.SYS_SOCKETPAIR, syscall.AF_UNIX, syscall.SOCK_STREAM),
	"connect":        with(syscall.SYS_CONNECT, tap),
	"sendto":         with(syscall.SYS_SENDTO, tap),
	"recvfrom":       with(syscall.SYS_RECVFROM, tap),
	"sendmsg":        with(syscall.SYS_SENDMSG, tap),
	"recvmsg":        with(syscall.SYS_RECVMSG, tap),
	"ioctl of a tap": with(syscall.SYS_IOCTL, tap, syscall.TUNGETIFF, text(zeros)),
	"readv":          with(syscall.SYS_READV, tap),
	"writev":         with(syscall.SYS_WRITEV, tap),

	// Powers.
	"setuid":           is(syscall.SYS_SETUID),
	"setgroups":        is(syscall.SYS_SETGROUPS),
	"capset":           is(syscall.SYS_CAPSET),
	"prctl":            is(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0),
	"prctl of a name":  is(syscall.SYS_PRCTL, syscall.PR_SET_NAME, text("name")),
	"prctl, high bits": is(syscall.SYS_PRCTL, prSetVMA, 1<<32),
	"seccomp":          is(317, 1, 1, 0),
	"arch_prctl":       is(syscall.SYS_ARCH_PRCTL, 0x1003, text(zeros)), // ARCH_GET_FS
	"personality":      is(syscall.SYS_PERSONALITY, 1<<32-1),
	"bpf":              is(321, bad),
	"perf_event_open":  is(298, text(zeros)),
	"keyctl":           is(syscall.SYS_KEYCTL, bad),
	"init_module":      is(syscall.SYS_INIT_MODULE),
	"syslog":           is(syscall.SYS_SYSLOG, 10),
	"iopl":             is(syscall.SYS_IOPL, 0),
	"modify_ldt":       is(syscall.SYS_MODIFY_LDT, 0, text(zeros), 8),
	"clock_settime":    is(syscall.SYS_CLOCK_SETTIME, bad),
	"getrandom":        is(318, text(zeros), 8),
	"uname":            is(syscall.SYS_UNAME, text(zeros)),
	"of x32":           with(1<<30|syscall.SYS_WRITE, output, text("x"), 1),

	// Memory.
	"mmap to execute":       is(syscall.SYS_MMAP, 0, pageSize, syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_ANON|syscall.MAP_PRIVATE, 1<<32-1),
	"mmap of a file":        withLast(syscall.SYS_MMAP, block, 0, pageSize, syscall.PROT_READ, syscall.MAP_PRIVATE),
	"mmap, shared":          is(syscall.SYS_MMAP, 0, pageSize, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_SHARED, 1<<32-1),
	"mmap of huge pages":    is(syscall.SYS_MMAP, 0, pageSize, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_HUGETLB, 1<<32-1),
	"mprotect to execute":   with(syscall.SYS_MPROTECT, page, pageSize, syscall.PROT_READ|syscall.PROT_EXEC),
	"mprotect":              with(syscall.SYS_MPROTECT, page, pageSize, syscall.PROT_READ),
	"mprotect of text":      is(syscall.SYS_MPROTECT, 0x400000, pageSize, syscall.PROT_READ|syscall.PROT_EXEC),
	"pkey_mprotect":         with(329, page, pageSize, syscall.PROT_READ, ^uintptr(0)),
	"mremap":                with(syscall.SYS_MREMAP, page, pageSize, pageSize),
	"remap_file_pages":      with(syscall.SYS_REMAP_FILE_PAGES, page),
	"madvise for merging":   with(syscall.SYS_MADVISE, page, pageSize, syscall.MADV_MERGEABLE),
	"madvise for forks":     with(syscall.SYS_MADVISE, page, pageSize, syscall.MADV_DONTFORK),
	"process_madvise":       is(440, bad),
	"mlock":                 with(syscall.SYS_MLOCK, page, pageSize),
	"brk":                   is(syscall.SYS_BRK),
	"shmget":                is(syscall.SYS_SHMGET, 0, pageSize),
	"msgget":                is(syscall.SYS_MSGGET),
	"semget":                is(syscall.SYS_SEMGET),
	"futex, shared":         with(syscall.SYS_FUTEX, page, 1, 1),
	"futex with priorities": with(syscall.SYS_FUTEX, page, 128|7), // FUTEX_UNLOCK_PI
	"futex that moves":      with(syscall.SYS_FUTEX, page, 128|3, 0, 0, 0),
	"membarrier":            is(324),

	// The machine, and others.
	"ioctl for registers":     with(syscall.SYS_IOCTL, vcpu, 0x4090ae82, text(zeros)), // KVM_SET_REGS
	"ioctl for statistics":    with(syscall.SYS_IOCTL, vcpu, 0xaece),                  // KVM_GET_STATS_FD
	"ioctl, high bits":        with(syscall.SYS_IOCTL, vcpu, 1<<32|0xae80),            // KVM_RUN
	"ioctl of another file":   with(syscall.SYS_IOCTL, null, 0xae80),                  // KVM_RUN
	"ioctl of the terminal":   is(syscall.SYS_IOCTL, 0, syscall.TIOCSTI, text("x")),   // standard input
	"ioctl of the console":    with(syscall.SYS_IOCTL, output, 0x541b, text(zeros)),   // FIONREAD
	"ioctl of a block device": with(syscall.SYS_IOCTL, block, 0x5421, text(zeros)),    // FIONBIO
	"ioctl of the counts":     with(syscall.SYS_IOCTL, counts, 0xaece),                // KVM_GET_STATS_FD

	// Descriptors, for other than what they are for.
	"write to another file":      with(syscall.SYS_WRITE, null, text("x"), 1),
	"write to standard input":    is(syscall.SYS_WRITE, 0, text("x"), 1),
	"write to a block device":    with(syscall.SYS_WRITE, block, text("x"), 1),
	"write, high bits":           with(syscall.SYS_WRITE, func(v *victim) uintptr { return output(v) | 1<<32 }, text("x"), 1),
	"read another file":          with(syscall.SYS_READ, null, text("x"), 1),
	"read standard input":        is(syscall.SYS_READ, 0, text("x"), 1),
	"read a block device":        with(syscall.SYS_READ, block, text("x"), 1),
	"read the console":           with(syscall.SYS_READ, output, text("x"), 1),
	"read the counts":            with(syscall.SYS_READ, counts, text("x"), 1),
	"pread the counts":           with(syscall.SYS_PREAD64, counts, text("x"), 1),
	"pread a tap":                with(syscall.SYS_PREAD64, tap, text("x"), 1),
	"pread at the end":           with(syscall.SYS_PREAD64, block, text("x"), 1, capacity),
	"pread far behind":           with(syscall.SYS_PREAD64, block, text("x"), 1, 1<<32),
	"pwrite at the end":          with(syscall.SYS_PWRITE64, block, text("x"), 1, capacity),
	"pwrite before the device":   with(syscall.SYS_PWRITE64, block, text("x"), 1, ^uintptr(0)),
	"pwrite too much":            with(syscall.SYS_PWRITE64, block, text(zeros), capacity+1, 0),
	"preadv":                     with(syscall.SYS_PREADV, block),
	"pwritev":                    with(syscall.SYS_PWRITEV, block),
	"lseek":                      with(syscall.SYS_LSEEK, block, 0, 0),
	"ftruncate":                  with(syscall.SYS_FTRUNCATE, block, capacity),
	"fallocate":                  with(syscall.SYS_FALLOCATE, block, 0, 0, capacity),
	"fsync":                      with(syscall.SYS_FSYNC, block),
	"fstat":                      with(syscall.SYS_FSTAT, block, text(zeros)),
	"fchmod":                     with(syscall.SYS_FCHMOD, block, 0o600),
	"flock":                      with(syscall.SYS_FLOCK, block, syscall.LOCK_UN),
	"sendfile":                   with(syscall.SYS_SENDFILE, output, 0),
	"splice":                     with(syscall.SYS_SPLICE, output),
	"copy_file_range":            with(326, block),
	"fcntl":                      with(syscall.SYS_FCNTL, block, syscall.F_GETFL),
	"dup":                        with(syscall.SYS_DUP, block),
	"dup3":                       with(syscall.SYS_DUP3, null, 1000, 0),
	"close_range":                is(436, 1<<20, 1<<20),
	"pipe2":                      is(syscall.SYS_PIPE2, text(zeros)),
	"eventfd":                    is(syscall.SYS_EVENTFD2),
	"epoll_create1":              is(syscall.SYS_EPOLL_CREATE1),
	"epoll_ctl, adding":          with(syscall.SYS_EPOLL_CTL, epoll, syscall.EPOLL_CTL_ADD, 0, text(zeros)),
	"epoll_pwait elsewhere":      with(syscall.SYS_EPOLL_PWAIT, null, text(zeros), 1),
	"epoll_pwait, other signals": with(syscall.SYS_EPOLL_PWAIT, epoll, text(zeros), 1, 0, text(zeros), 8),
	"poll":                       is(syscall.SYS_POLL),
	"timerfd_create":             is(syscall.SYS_TIMERFD_CREATE),
	"timerfd_settime elsewhere":  with(syscall.SYS_TIMERFD_SETTIME, null, 0, text(zeros)),
	"timerfd_settime, absolute":  with(syscall.SYS_TIMERFD_SETTIME, timer, 1, text(zeros)),

	// Time.
	"clock_gettime of others": is(syscall.SYS_CLOCK_GETTIME, 2, text(zeros)),
	"timer_create":            is(syscall.SYS_TIMER_CREATE, bad),
	"setitimer":               is(syscall.SYS_SETITIMER, bad),
	"nanosleep that tells":    is(syscall.SYS_NANOSLEEP, text(zeros), text(zeros)),
	"clock_nanosleep":         is(syscall.SYS_CLOCK_NANOSLEEP, 0, 0, text(zeros)),
	"pause":                   is(syscall.SYS_RT_SIGTIMEDWAIT, text(zeros), 0, text(zeros), 8),
}

const (
	bad   = ^uintptr(0)
	atCWD = ^uintptr(99) // AT_FDCWD, -100
	zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// is makes a call with constant arguments.
func is(nr uintptr, constants ...uintptr) func(*victim) (uintptr, args) {
	var a args
	copy(a[:], constants)
	return func(*victim) (uintptr, args) { return nr, a }
}

// with makes a call whose first argument is the victim's.
func with(nr uintptr, first func(*victim) uintptr, others ...uintptr) func(*victim) (uintptr, args) {
	return func(v *victim) (uintptr, args) {
		a := args{first(v)}
		copy(a[1:], others)
		return nr, a
	}
}

// withLast makes a call whose argument behind the constants is the victim's.
func withLast(nr uintptr, last func(*victim) uintptr, constants ...uintptr) func(*victim) (uintptr, args) {
	return func(v *victim) (uintptr, args) {
		var a args
		a[copy(a[:], constants)] = last(v)
		return nr, a
	}
}

// text returns the address of a constant. What would be stored there would fail.
func text(s string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(s))) }

func parent(v *victim) uintptr { return uintptr(v.parent) }
func self(*victim) uintptr     { return uintptr(os.Getpid()) }
func null(v *victim) uintptr   { return uintptr(v.null) }
func page(v *victim) uintptr   { return v.page }
func block(v *victim) uintptr  { return v.fd(blockHandle) }
func tap(v *victim) uintptr    { return v.fd(netHandle) }
func output(v *victim) uintptr { return uintptr(v.machine.console.fd.Int()) }
func epoll(v *victim) uintptr  { return uintptr(v.waits.epoll.Int()) }
func timer(v *victim) uintptr  { return uintptr(v.waits.timer.Int()) }
func counts(v *victim) uintptr { return uintptr(v.counts[1].Int()) }

func vcpu(v *victim) uintptr {
	fd, _ := v.cpu.RunRequests()
	return uintptr(fd)
}
