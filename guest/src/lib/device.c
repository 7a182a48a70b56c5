/* device.c: finding devices in the manifest that the tender filled in. */
#include "guest.h"

static const struct manifest_entry *find(const char *name, enum device_type type, unsigned *handle)
{
	const struct manifest *m = machine.manifest;
	size_t len = strlen(name) + 1;
	if (m->version != MANIFEST_VERSION || m->entries > MANIFEST_MAX_ENTRIES) {
		say("the tender's manifest is not of version %u\n", MANIFEST_VERSION);
		return NULL;
	}
	for (unsigned i = 0; i < m->entries; i++) {
		const struct manifest_entry *e = &m->e[i];
		if (e->type != type || memcmp(e->name, name, len) != 0)
			continue;
		if (!e->attached) {
			say("device %s is not attached\n", name);
			return NULL;
		}
		*handle = i;
		return e;
	}
	say("device %s is not in the tender's manifest\n", name);
	return NULL;
}

bool net_acquire(const char *name, struct net_device *d)
{
	const struct manifest_entry *e = find(name, DEVICE_NET, &d->handle);
	if (e == NULL)
		return false;
	memcpy(d->mac, e->net.mac, sizeof d->mac);
	d->mtu = e->net.mtu;
	return true;
}

bool block_acquire(const char *name, struct block_device *d)
{
	const struct manifest_entry *e = find(name, DEVICE_BLOCK, &d->handle);
	if (e == NULL)
		return false;
	d->capacity = e->block.capacity;
	d->block_size = e->block.block_size;
	return true;
}
