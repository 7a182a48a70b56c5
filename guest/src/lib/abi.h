/*
 * abi.h: what a Solo5 tender and a unikernel agree on, as far as these guests need it.
 *
 * Everything here is fact about the binary interface (ABI version 2 of both targets): ELF notes, the
 * manifest, boot information. tender and guest share the layouts, so static assertions pin every size.
 */
#ifndef GUEST_ABI_H
#define GUEST_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ELF notes. The descriptor starts right after this header, at offset 20. */
struct note_header {
	uint32_t namesz;
	uint32_t descsz;
	uint32_t type;
	char name[8];
};
_Static_assert(sizeof(struct note_header) == 20, "note header");

#define NOTE_TYPE_ABI 0x31494241u      /* "ABI1" */
#define NOTE_TYPE_MANIFEST 0x3154464du /* "MFT1" */
#define NOTE_SECTION(s) __attribute__((section(s), used, aligned(4)))

enum abi_target { TARGET_HVT = 1, TARGET_SPT = 2 };
#define ABI_VERSION 2

struct abi_note {
	struct note_header h;
	uint32_t target;
	uint32_t version;
	uint32_t reserved[2];
};

/* The manifest: the devices a unikernel asks for. Entry 0 is reserved, a device's handle is its index. */
enum device_type { DEVICE_BLOCK = 1, DEVICE_NET = 2, DEVICE_RESERVED = 1 << 30 };
#define MANIFEST_VERSION 1
#define MANIFEST_MAX_ENTRIES 64

struct manifest_entry {
	char name[68];
	uint32_t type;
	union {
		struct {
			uint64_t capacity; /* bytes */
			uint16_t block_size;
		} block;
		struct {
			uint8_t mac[6];
			uint16_t mtu;
		} net;
	};
	union {
		int32_t fd; /* spt: the descriptor of the device */
		uint64_t reserved;
	};
	bool attached; /* set by the tender */
};
_Static_assert(sizeof(struct manifest_entry) == 104, "manifest entry");
_Static_assert(offsetof(struct manifest_entry, attached) == 96, "manifest entry");

struct manifest {
	uint32_t version;
	uint32_t entries;
	struct manifest_entry e[];
};

/*
 * GUEST_MANIFEST(n, entry, …) declares the manifest of a guest with n devices. The manifest is aligned to 8
 * bytes, so the descriptor has 4 bytes of padding in front of it.
 */
#define GUEST_MANIFEST(n, ...)                                                                       \
	static const struct {                                                                        \
		struct note_header h;                                                                \
		uint32_t pad;                                                                        \
		uint32_t version;                                                                    \
		uint32_t entries;                                                                    \
		struct manifest_entry e[1 + (n)];                                                    \
	} manifest_note NOTE_SECTION(".note.solo5.manifest") = {                                     \
	    .h = {6, 4 + 8 + 104 * (1 + (n)), NOTE_TYPE_MANIFEST, "Solo5"},                          \
	    .version = MANIFEST_VERSION,                                                             \
	    .entries = 1 + (n),                                                                      \
	    .e = {{.type = DEVICE_RESERVED}, __VA_ARGS__},                                           \
	};                                                                                           \
	_Static_assert(sizeof manifest_note == 20 + 4 + 8 + 104 * (1 + (n)), "manifest note")

/* Boot information, handed to the entry point. */
struct spt_boot_info {
	uint64_t mem_size;
	uint64_t kernel_end;
	const char *cmdline;
	const struct manifest *manifest;
	int32_t epollfd;
	int32_t timerfd;
};
_Static_assert(sizeof(struct spt_boot_info) == 40, "spt boot info");

struct hvt_boot_info {
	uint64_t mem_size;
	uint64_t kernel_end;
	uint64_t tsc_hz;
	const char *cmdline;
	const struct manifest *manifest;
	uint32_t host_features;
	uint32_t guest_features;
	uint64_t net_ring;
};
_Static_assert(sizeof(struct hvt_boot_info) == 56, "hvt boot info");

/* spt: the epoll data of the timer; that of a network device is its handle. */
#define SPT_TIMER_EVENT 0xfffffffeu

/* hvt: hypercall n is a 32-bit OUT of the argument's address to port 0x500 + n. */
#define HVT_PORT 0x500
enum hypercall {
	HC_WALLTIME = 1,
	HC_PUTS,
	HC_POLL,
	HC_BLOCK_WRITE,
	HC_BLOCK_READ,
	HC_NET_WRITE,
	HC_NET_READ,
	HC_HALT,
};

struct hc_walltime {
	uint64_t ns;
};
struct hc_puts {
	const void *data;
	uint64_t len;
};
struct hc_poll {
	uint64_t timeout_ns;
	uint64_t ready;
	int32_t ret;
};
struct hc_block {
	uint64_t handle;
	uint64_t offset;
	const void *data;
	uint64_t len;
	int32_t ret;
};
struct hc_net {
	uint64_t handle;
	const void *data;
	uint64_t len;
	int32_t ret;
};
struct hc_halt {
	const void *cookie;
	int32_t status;
};

#endif
