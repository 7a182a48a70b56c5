/* memory: makes pages dirty, and looks whether they keep what was written. */
#include "lib/guest.h"

GUEST_MANIFEST(0);

extern char guest_end[];

/* What stays free below the top of memory, for the stack. */
#define STACK (64 * 1024)
#define WORDS (PAGE / sizeof(uint64_t))

/* The first free page: the tender's kernel_end does not cover .bss, the linker's symbol does. */
static uint64_t free_start(void)
{
	uint64_t end = (uint64_t)guest_end;
	if (machine.kernel_end > end)
		end = machine.kernel_end;
	return (end + PAGE - 1) & ~(PAGE - 1);
}

static int dirty_and_verify(uint64_t mb)
{
	uint64_t start = free_start(), room = 0;
	if (machine.mem_size > start + STACK)
		room = machine.mem_size - STACK - start;
	if (mb > room >> 20) {
		say("memory: %lu MB do not fit, there are %lu MB free\n", mb, room >> 20);
		return EXIT_FAILED;
	}
	uint64_t end = start + (mb << 20);
	for (uint64_t p = start; p < end; p += PAGE)
		fill_words((uint64_t *)p, mix64(p), WORDS);
	for (uint64_t p = start; p < end; p += PAGE)
		if (!words_are((uint64_t *)p, mix64(p), WORDS)) {
			say("memory: the page at 0x%lx lost what was written\n", p);
			return EXIT_WRONG;
		}
	say("memory: %lu MB dirtied and verified\n", mb);
	return EXIT_OK;
}

int guest_main(void)
{
	struct args a = args_begin();
	struct slice arg, v;
	uint64_t mb = 1;
	bool stay = false;

	while (args_next(&a, &arg)) {
		if (slice_after(arg, "--mb=", &v) && slice_number(v, &mb))
			continue;
		if (slice_is(arg, "--stay"))
			stay = true;
		else if (!slice_after(arg, "--name=", &v))
			return usage(arg, "--mb=N, --stay");
	}
	int status = dirty_and_verify(mb);
	while (stay && status == EXIT_OK)
		yield(clock_monotonic() + 3600 * SEC);
	return status;
}
