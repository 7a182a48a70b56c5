/* hvt.c: the machine is a virtual one without devices or interrupts; every service is a hypercall. */
#include "guest.h"

static const struct abi_note abi NOTE_SECTION(".note.solo5.abi") = {
    .h = {6, 16, NOTE_TYPE_ABI, "Solo5"},
    .target = TARGET_HVT,
    .version = ABI_VERSION,
};

const char *const target_name = "hvt";

static uint64_t tsc_hz;

/* An argument's address fits 32 bits: a guest has at most 4 GB, and arguments lie on its stack. */
static void hypercall(enum hypercall n, volatile void *arg)
{
	__asm__ volatile("outl %0, %1"
			 :
			 : "a"((uint32_t)(uintptr_t)arg), "d"((uint16_t)(HVT_PORT + n))
			 : "memory");
}

/* The tender enters here with rsp = mem_size - 8, which is how a called C function finds its stack. */
_Noreturn void _start(const struct hvt_boot_info *b);
_Noreturn void _start(const struct hvt_boot_info *b)
{
	tsc_hz = b->tsc_hz;
	if (tsc_hz == 0)
		halt(EXIT_ABORT);
	boot(&(struct machine){b->mem_size, b->kernel_end, b->cmdline, b->manifest});
}

_Noreturn void halt(int status)
{
	struct hc_halt h = {NULL, status & 0xff};
	for (;;)
		hypercall(HC_HALT, &h);
}

uint64_t clock_monotonic(void)
{
	uint32_t lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	uint64_t tsc = (uint64_t)hi << 32 | lo;
	/* In two steps, so that it does not overflow: the remainder is below 2^34 on any clock below 17 GHz. */
	return tsc / tsc_hz * SEC + tsc % tsc_hz * SEC / tsc_hz;
}

uint64_t clock_wall(void)
{
	struct hc_walltime t = {0};
	hypercall(HC_WALLTIME, &t);
	return t.ns;
}

uint64_t yield(uint64_t deadline)
{
	uint64_t now = clock_monotonic();
	struct hc_poll p = {deadline > now ? deadline - now : 0, 0, 0};
	hypercall(HC_POLL, &p);
	return p.ready;
}

size_t console_try(const char *buf, size_t len)
{
	struct hc_puts p = {buf, len};
	hypercall(HC_PUTS, &p);
	return len;
}

enum result net_read(unsigned handle, void *buf, size_t *len)
{
	struct hc_net a = {handle, buf, *len, 0};
	hypercall(HC_NET_READ, &a);
	if (a.ret == R_OK)
		*len = a.len;
	return (enum result)a.ret;
}

enum result net_write(unsigned handle, const void *buf, size_t len)
{
	struct hc_net a = {handle, buf, len, 0};
	hypercall(HC_NET_WRITE, &a);
	return (enum result)a.ret;
}

enum result block_read(unsigned handle, uint64_t offset, void *buf, size_t len)
{
	struct hc_block a = {handle, offset, buf, len, 0};
	hypercall(HC_BLOCK_READ, &a);
	return (enum result)a.ret;
}

enum result block_write(unsigned handle, uint64_t offset, const void *buf, size_t len)
{
	struct hc_block a = {handle, offset, buf, len, 0};
	hypercall(HC_BLOCK_WRITE, &a);
	return (enum result)a.ret;
}
