/* flood: fills the console with numbered lines. */
#include "lib/guest.h"

GUEST_MANIFEST(0);

/* 51 lines of 80 bytes are less than a page: a pipe takes such a write as a whole or not at all. */
enum { LINE = 80, LINES = 51, DIGITS = 16 };
static char chunk[LINES * LINE];

static void number_lines(uint64_t first)
{
	for (unsigned i = 0; i < LINES; i++) {
		char *l = chunk + i * LINE;
		uint64_t n = first + i;
		for (char *d = l + DIGITS; d > l; n /= 10)
			*--d = (char)('0' + n % 10);
	}
}

static void prepare(void)
{
	static const char text[] = " the quick brown fox jumps over the lazy dog, line after line after it\n";
	for (unsigned i = 0; i < LINES; i++) {
		char *l = chunk + i * LINE + DIGITS;
		memcpy(l, text, LINE - DIGITS);
		l[LINE - DIGITS - 1] = '\n';
	}
}

int guest_main(void)
{
	struct args a = args_begin();
	struct slice arg, v;
	uint64_t bytes = UINT64_MAX, sent = 0;
	bool patient = false;

	while (args_next(&a, &arg)) {
		if (slice_after(arg, "--bytes=", &v) && slice_number(v, &bytes))
			continue;
		if (slice_is(arg, "--patient"))
			patient = true;
		else if (!slice_after(arg, "--name=", &v))
			return usage(arg, "--bytes=N, --patient");
	}
	prepare();
	for (uint64_t line = 1; sent < bytes; line += LINES) {
		size_t n = bytes - sent < sizeof chunk ? (size_t)(bytes - sent) : sizeof chunk;
		number_lines(line);
		chunk[n - 1] = '\n'; /* a last line that is cut is still a line */
		if (patient)
			console_write_patiently(chunk, n, UINT64_MAX / 2);
		else
			console_try(chunk, n);
		sent += n;
	}
	char done[64];
	size_t n = format(done, sizeof done, "flood: done %lu bytes\n", sent);
	return console_write_patiently(done, n, 60 * SEC) ? EXIT_OK : EXIT_FAILED;
}
