/* boot.c: from the entry point to guest_main, and the notes that do not depend on the target. */
#include "guest.h"

struct machine machine;

_Noreturn void boot(const struct machine *m)
{
	machine = *m;
	halt(guest_main());
}

/* The interpreter that does not exist keeps anybody from starting a guest as a program by accident. */
static const char interp[24] __attribute__((section(".interp"), used, aligned(8))) = "/nonexistent/solo5/";

/* An OpenBSD note, in front of the others, makes tools take the file for that of another system. */
static const struct {
	uint32_t namesz, descsz, type;
	char name[8];
	uint32_t data;
} other_system NOTE_SECTION(".note.solo5.not_openbsd") = {8, 4, 1, "OpenBSD", 0};
