/* ticker: a numbered line at every interval. */
#include "lib/guest.h"

GUEST_MANIFEST(0);

int guest_main(void)
{
	struct args a = args_begin();
	struct slice arg, v;
	uint64_t interval = 1000, count = 0;

	while (args_next(&a, &arg)) {
		bool ok = true;
		if (slice_after(arg, "--interval=", &v))
			ok = slice_number(v, &interval) && interval >= 1 && interval <= 86400000;
		else if (slice_after(arg, "--count=", &v))
			ok = slice_number(v, &count) && count >= 1;
		else
			ok = slice_after(arg, "--name=", &v);
		if (!ok)
			return usage(arg, "--interval=MS (1 to 86400000), --count=N (1 or more)");
	}
	/* Deadlines are multiples of the interval, so that lines do not drift. */
	uint64_t deadline = clock_monotonic();
	for (uint64_t i = 1;; i++) {
		say("tick %lu\n", i);
		if (i == count)
			return EXIT_OK;
		deadline += interval * MSEC;
		while (clock_monotonic() < deadline)
			yield(deadline);
	}
}
