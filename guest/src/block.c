/* block: writes a pattern to the device "storage", reads it back and compares. */
#include "lib/guest.h"

GUEST_MANIFEST(1, {.name = "storage", .type = DEVICE_BLOCK});

#define MAX_SECTOR 65536
static uint64_t written[MAX_SECTOR / 8], got[MAX_SECTOR / 8];
static struct block_device dev;

/* Every sector differs from every other, in its first word (its number) and in all the rest. */
static void pattern(uint64_t sector)
{
	fill_words(written, mix64(sector), dev.block_size / 8);
	written[0] = sector;
}

static bool write_all(uint64_t sectors)
{
	for (uint64_t i = 0; i < sectors; i++) {
		pattern(i);
		enum result r = block_write(dev.handle, i * dev.block_size, written, dev.block_size);
		if (r != R_OK) {
			say("block: writing sector %lu failed with result %u\n", i, r);
			return false;
		}
	}
	return true;
}

static int verify_all(uint64_t sectors)
{
	for (uint64_t i = 0; i < sectors; i++) {
		enum result r = block_read(dev.handle, i * dev.block_size, got, dev.block_size);
		if (r != R_OK) {
			say("block: reading sector %lu failed with result %u\n", i, r);
			return EXIT_FAILED;
		}
		pattern(i);
		if (memcmp(written, got, dev.block_size) != 0) {
			say("block: sector %lu holds something else than was written\n", i);
			return EXIT_WRONG;
		}
	}
	say("block: %lu sectors of %u bytes verified\n", sectors, dev.block_size);
	return EXIT_OK;
}

/* The first byte behind the device: hvt answers EINVAL, spt kills the guest. */
static int write_beyond(void)
{
	enum result r = block_write(dev.handle, dev.capacity, written, dev.block_size);
	if (r == R_EINVAL) {
		say("block: a write beyond the end was refused with EINVAL\n");
		return EXIT_OK;
	}
	say("block: a write beyond the end got result %u, not EINVAL\n", r);
	return 3;
}

int guest_main(void)
{
	struct args a = args_begin();
	struct slice arg, v;
	uint64_t sectors = UINT64_MAX;
	bool check = false, beyond = false;

	while (args_next(&a, &arg)) {
		if (slice_after(arg, "--sectors=", &v) && slice_number(v, &sectors))
			continue;
		if (slice_is(arg, "--check"))
			check = true;
		else if (slice_is(arg, "--beyond"))
			beyond = true;
		else if (!slice_after(arg, "--name=", &v))
			return usage(arg, "--sectors=N, --check, --beyond");
	}
	if (!block_acquire("storage", &dev))
		return EXIT_FAILED;
	if (dev.block_size < 8) {
		say("block: sectors of %u bytes are too small for the pattern\n", dev.block_size);
		return EXIT_FAILED;
	}
	say("block: %lu bytes in sectors of %u\n", dev.capacity, dev.block_size);
	if (sectors > dev.capacity / dev.block_size)
		sectors = dev.capacity / dev.block_size;
	if (!check && !write_all(sectors))
		return EXIT_FAILED;
	int status = verify_all(sectors);
	return beyond && status == EXIT_OK ? write_beyond() : status;
}
