/*
 * guest.h: what a guest program may use. The two platform files (spt.c, hvt.c) implement the machine, the
 * other files of this directory the rest. A guest defines guest_main and declares GUEST_MANIFEST.
 */
#ifndef GUEST_H
#define GUEST_H

#include "abi.h"

/* Exit statuses used by all guests. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_WRONG = 2, EXIT_USAGE = 64, EXIT_ABORT = 255 };

/* What device operations answer; the numbers are those of the hvt hypercalls. */
enum result { R_OK = 0, R_AGAIN = 1, R_EINVAL = 2, R_EUNSPEC = 3 };

#define MSEC 1000000ull
#define SEC 1000000000ull
#define PAGE 4096ull

/* The guest itself; what it returns is the exit status. */
int guest_main(void);

/* ---- the machine: spt.c or hvt.c ---- */
extern const char *const target_name; /* "spt" or "hvt" */

_Noreturn void halt(int status);
uint64_t clock_monotonic(void); /* ns */
uint64_t clock_wall(void);      /* ns since 1970 */

/* Sleeps until the deadline (monotonic ns) or until a network device is readable; answers the bit set of
 * readable handles. */
uint64_t yield(uint64_t deadline);

/* Writes what the console takes and answers how much that was: less than len, or 0, if it is full. */
size_t console_try(const char *buf, size_t len);

/* One frame. *len is the room in buf, then the length of the frame. R_AGAIN: there is none. */
enum result net_read(unsigned handle, void *buf, size_t *len);
enum result net_write(unsigned handle, const void *buf, size_t len);

/* One sector. Not checked here: refusing what is beyond the device is the tender's work. */
enum result block_read(unsigned handle, uint64_t offset, void *buf, size_t len);
enum result block_write(unsigned handle, uint64_t offset, const void *buf, size_t len);

/* ---- boot.c: set from the boot information before guest_main runs ---- */
struct machine {
	uint64_t mem_size;   /* bytes, starting at address 0; the stack grows down from there */
	uint64_t kernel_end; /* as the tender says; does not cover .bss */
	const char *cmdline;
	const struct manifest *manifest;
};
extern struct machine machine;
_Noreturn void boot(const struct machine *m);

/* ---- device.c ---- */
struct net_device {
	unsigned handle;
	uint8_t mac[6];
	uint16_t mtu;
};
struct block_device {
	unsigned handle;
	uint64_t capacity; /* bytes */
	uint16_t block_size;
};

/* Find an attached device of the manifest; without one they say so on the console and answer false. */
bool net_acquire(const char *name, struct net_device *d);
bool block_acquire(const char *name, struct block_device *d);

/* ---- args.c: the command line, split at blanks ---- */
struct slice {
	const char *p;
	size_t n;
};
struct args {
	const char *rest;
};

struct args args_begin(void);
bool args_next(struct args *a, struct slice *arg);
bool slice_is(struct slice s, const char *text);
/* Answers whether s starts with prefix, and what follows it. */
bool slice_after(struct slice s, const char *prefix, struct slice *rest);
/* Decimal, nothing else, no overflow. */
bool slice_number(struct slice s, uint64_t *n);
/* The value of the albatross argument --name=LABEL, or an empty slice. */
struct slice guest_name(void);
/* Says that an argument is not understood and answers EXIT_USAGE. */
int usage(struct slice arg, const char *expected);

/* ---- print.c ---- */
/* Writes to the console; what does not fit a full console is lost, like with Solo5. */
void console_write(const char *buf, size_t len);
/* Writes all of it, waiting for the console, but no longer than the patience (ns); answers whether it went out. */
bool console_write_patiently(const char *buf, size_t len, uint64_t patience);
/* %s %.*s %c %u %lu %x %02x %lx %% into buf, always terminated; answers the length. */
size_t format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Formats a text of up to 511 bytes and writes it to the console. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- lib.c ---- */
void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
/* Fills n 8-byte words; the word at which p first differs from v, or n. */
void fill_words(uint64_t *p, uint64_t v, size_t n);
bool words_are(const uint64_t *p, uint64_t v, size_t n);
/* ---- mix.c ---- */
/* splitmix64: every bit of the result depends on every bit of x. */
uint64_t mix64(uint64_t x);

#endif
