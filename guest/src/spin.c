/* spin: uses a CPU for ever and never asks the host for anything. */
#include "lib/guest.h"

GUEST_MANIFEST(0);

int guest_main(void)
{
	say("spin: busy for ever\n");
	for (;;)
		__asm__ volatile("pause");
}
