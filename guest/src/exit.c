/* exit: ends with the status it is given. */
#include "lib/guest.h"

GUEST_MANIFEST(0);

int guest_main(void)
{
	struct args a = args_begin();
	struct slice arg, label;
	uint64_t status = 0;
	bool refuse_name = false, named = false;

	while (args_next(&a, &arg)) {
		if (slice_after(arg, "--name=", &label))
			named = true;
		else if (slice_is(arg, "--refuse-name"))
			refuse_name = true;
		else if (!slice_number(arg, &status) || status > 255)
			return usage(arg, "--refuse-name, or a status of 0 to 255");
	}
	if (refuse_name && named) {
		say("exit: --name= is not an argument of mine\n");
		return EXIT_USAGE;
	}
	say("exit: %lu\n", status);
	return (int)status;
}
