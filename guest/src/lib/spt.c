/*
 * spt.c: the machine is a Linux process under a seccomp filter that lets through the system calls below,
 * with these descriptors, and kills for any other.
 */
#include "guest.h"

static const struct abi_note abi NOTE_SECTION(".note.solo5.abi") = {
    .h = {6, 16, NOTE_TYPE_ABI, "Solo5"},
    .target = TARGET_SPT,
    .version = ABI_VERSION,
};

const char *const target_name = "spt";

enum {
	SYS_read = 0,
	SYS_write = 1,
	SYS_pread64 = 17,
	SYS_pwrite64 = 18,
	SYS_clock_gettime = 228,
	SYS_exit_group = 231,
	SYS_epoll_pwait = 281,
	SYS_timerfd_settime = 286,
};
enum { STDOUT = 1, EAGAIN = 11, EINTR = 4, CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, TFD_TIMER_ABSTIME = 1 };

struct timespec {
	uint64_t sec, nsec;
};

struct epoll_event {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));

static int epollfd, timerfd;

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* The tender enters here with rsp = mem_size - 8, which is how a called C function finds its stack. */
_Noreturn void _start(const struct spt_boot_info *b);
_Noreturn void _start(const struct spt_boot_info *b)
{
	epollfd = b->epollfd;
	timerfd = b->timerfd;
	boot(&(struct machine){b->mem_size, b->kernel_end, b->cmdline, b->manifest});
}

_Noreturn void halt(int status)
{
	for (;;)
		call(SYS_exit_group, status & 0xff, 0, 0, 0, 0, 0);
}

static uint64_t clock(long id)
{
	struct timespec t = {0, 0};
	call(SYS_clock_gettime, id, (long)&t, 0, 0, 0, 0);
	return t.sec * SEC + t.nsec;
}

uint64_t clock_monotonic(void)
{
	return clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall(void)
{
	return clock(CLOCK_REALTIME);
}

uint64_t yield(uint64_t deadline)
{
	struct timespec timer[2] = {{0, 0}, {deadline / SEC, deadline % SEC}};
	struct epoll_event ev[8];
	uint64_t ready = 0;
	long n;

	if (deadline == 0) /* a timer of 0 would be no timer */
		timer[1].nsec = 1;
	if (call(SYS_timerfd_settime, timerfd, TFD_TIMER_ABSTIME, (long)timer, 0, 0, 0) < 0)
		halt(EXIT_ABORT);
	do
		n = call(SYS_epoll_pwait, epollfd, (long)ev, sizeof ev / sizeof ev[0], -1, 0, 0);
	while (n == -EINTR);
	if (n < 0)
		halt(EXIT_ABORT);
	for (long i = 0; i < n; i++)
		if (ev[i].data != SPT_TIMER_EVENT)
			ready |= 1ull << (ev[i].data & 63);
	return ready;
}

size_t console_try(const char *buf, size_t len)
{
	long n;
	do
		n = call(SYS_write, STDOUT, (long)buf, (long)len, 0, 0, 0);
	while (n == -EINTR);
	return n < 0 ? 0 : (size_t)n;
}

enum result net_read(unsigned handle, void *buf, size_t *len)
{
	long n = call(SYS_read, machine.manifest->e[handle].fd, (long)buf, (long)*len, 0, 0, 0);
	if (n == -EAGAIN || n == 0)
		return R_AGAIN;
	if (n < 0)
		return R_EUNSPEC;
	*len = (size_t)n;
	return R_OK;
}

enum result net_write(unsigned handle, const void *buf, size_t len)
{
	long n = call(SYS_write, machine.manifest->e[handle].fd, (long)buf, (long)len, 0, 0, 0);
	return n == (long)len ? R_OK : R_EUNSPEC;
}

enum result block_read(unsigned handle, uint64_t offset, void *buf, size_t len)
{
	long n = call(SYS_pread64, machine.manifest->e[handle].fd, (long)buf, (long)len, (long)offset, 0, 0);
	return n == (long)len ? R_OK : R_EUNSPEC;
}

enum result block_write(unsigned handle, uint64_t offset, const void *buf, size_t len)
{
	long n = call(SYS_pwrite64, machine.manifest->e[handle].fd, (long)buf, (long)len, (long)offset, 0, 0);
	return n == (long)len ? R_OK : R_EUNSPEC;
}
