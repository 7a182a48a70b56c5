/*
 * crash: does what a guest must not do. What it says before tells that it came that far; what it says after
 * tells that nothing stopped it.
 */
#include "lib/guest.h"

GUEST_MANIFEST(0);

#define EXPECTED "one of null, text, data, stack, syscall, hypercall, port, abort"

/* In .data: one instruction, ret. */
static uint8_t code_in_data[16] = {0xc3};

static bool on(const char *target)
{
	return strlen(target) == strlen(target_name) && memcmp(target, target_name, strlen(target)) == 0;
}

static int not_here(void)
{
	say("crash: not on %s\n", target_name);
	return EXIT_WRONG;
}

static void read_null(void)
{
	uint64_t address = 0;
	uint8_t v;
	__asm__ volatile("movb (%1), %0" : "=q"(v) : "r"(address) : "memory");
}

static void write_text(void)
{
	__asm__ volatile("movb $0x90, (%0)" : : "r"(&write_text) : "memory");
}

static void run_data(void)
{
	__asm__ volatile("call *%0" : : "r"(code_in_data) : "memory");
}

/* Down from the stack, a page at a time, until something below does not let itself be written. */
static void overrun_stack(void)
{
	for (uint64_t p = machine.mem_size - PAGE;; p -= PAGE)
		__asm__ volatile("movb $0x5a, (%0)" : : "r"(p) : "memory");
}

static void open_file(void)
{
	static const char path[] = "/etc/passwd";
	long nr = 2; /* open */
	__asm__ volatile("syscall" : "+a"(nr) : "D"(path), "S"(0), "d"(0) : "rcx", "r11", "memory");
}

static void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
}

/* Runs the crime that arg names; answers whether it is one. */
static bool commit(struct slice arg)
{
	if (slice_is(arg, "null"))
		read_null();
	else if (slice_is(arg, "text"))
		write_text();
	else if (slice_is(arg, "data"))
		run_data();
	else if (slice_is(arg, "stack"))
		overrun_stack();
	else if (slice_is(arg, "syscall"))
		open_file();
	else if (slice_is(arg, "hypercall"))
		out32(HVT_PORT + HC_PUTS, 0xfffffff0u); /* no guest has memory there */
	else if (slice_is(arg, "port"))
		out32(0x1234, 0);
	else if (slice_is(arg, "abort"))
		halt(EXIT_ABORT);
	else
		return false;
	return true;
}

int guest_main(void)
{
	struct args a = args_begin();
	struct slice arg, v;

	while (args_next(&a, &arg)) {
		if (slice_after(arg, "--name=", &v))
			continue;
		if (slice_is(arg, "syscall") && !on("spt"))
			return not_here();
		if ((slice_is(arg, "hypercall") || slice_is(arg, "port")) && !on("hvt"))
			return not_here();
		say("crash: %.*s\n", arg.n < 32 ? (int)arg.n : 32, arg.p);
		if (!commit(arg))
			return usage(arg, EXPECTED);
		say("crash: lived\n");
		return EXIT_OK;
	}
	return usage((struct slice){"", 0}, EXPECTED);
}
