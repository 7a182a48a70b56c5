/* hello: a greeting, then the command line as the guest got it. */
#include "lib/guest.h"

GUEST_MANIFEST(0);

int guest_main(void)
{
	static char line[16 + 8192]; /* the longest command line, in one write */
	say("Hello from %s\n", target_name);
	console_write(line, format(line, sizeof line, "arguments: %s\n", machine.cmdline));
	return EXIT_OK;
}
