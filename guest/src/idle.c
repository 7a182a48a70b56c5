/* idle: a network device that is there. What arrives is dropped, and nothing is ever sent. */
#include "lib/guest.h"

GUEST_MANIFEST(1, {.name = "service", .type = DEVICE_NET});

int guest_main(void)
{
	struct args a = args_begin();
	struct slice arg, v;
	struct net_device dev;
	static uint8_t frame[14 + 9000]; /* room for jumbo frames */

	while (args_next(&a, &arg))
		if (!slice_after(arg, "--name=", &v))
			return usage(arg, "no arguments");
	if (!net_acquire("service", &dev))
		return EXIT_FAILED;
	say("idle\n");
	for (;;) {
		size_t len = sizeof frame;
		if (net_read(dev.handle, frame, &len) == R_AGAIN)
			yield(clock_monotonic() + 3600 * SEC);
	}
}
