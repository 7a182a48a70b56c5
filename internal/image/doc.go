// Package image reads Solo5 unikernel images and keeps them in a
// content-addressed store on disk.
//
// # The reader
//
// An image is a static ELF64 executable. [Read] looks at its headers and its
// notes and at nothing else, so its work does not grow with the image:
//
//	+-----------------+  0
//	| ELF header      |  64 bytes; says where the program headers are
//	+-----------------+
//	| program headers |  56 bytes each, at most MaxProgramHeaders
//	+-----------------+
//	| PT_LOAD         |  becomes a Segment
//	| PT_LOAD         |
//	+-----------------+
//	| PT_NOTE "ABI1"  |  becomes Image.Target and Image.ABIVersion
//	| PT_NOTE "MFT1"  |  becomes Image.Manifest: the devices the unikernel needs
//	+-----------------+
//
// Every byte of an image is hostile. The reader is stricter than the loader of
// Solo5's own tenders wherever no image that Solo5's toolchain can produce is
// affected, and refuses with an [*Error] that says in one sentence what is
// wrong. What it accepts satisfies, without any further check:
//
//   - at least one segment; their [Start, End) ranges are page aligned,
//     ascending, disjoint, not below MinAddress and not above MaxAddress;
//   - Start ≤ Vaddr, Filesz ≤ Memsz, Vaddr+Memsz ≤ End, Filesz > 0, and
//     [Offset, Offset+Filesz) lies inside the file;
//   - no segment is both writable and executable;
//   - Entry lies in the file-backed bytes of an executable segment;
//   - the manifest starts with the reserved entry, has at most MaxEntries
//     entries, and every other entry is a network or block device with a name
//     that the command line can express, unique among its kind.
//
// Only the memory size of the unikernel is unknown to the reader:
// [Image.CheckMemory] compares it, [Manifest.CheckDevices] compares the devices
// and [Manifest.Encode] builds the manifest the guest gets to see.
//
// # The store
//
//	DIR/tmp/*             images that are arriving; removed by OpenStore
//	DIR/sha256/<64 hex>   images, named by the SHA-256 of their unpacked
//	                      content, mode 0444, never written to again
//
// A guest may have its text mapped from a stored file, so a file that is in the
// store is only ever removed, never changed or replaced. Who still needs an
// image is known to the caller: the store counts no references.
//
//	Stage ──▶ Staged ──Commit──▶ stored     (or dropped: already there)
//	             └──Discard──▶ gone
//
// # Sources
//
// The ABI facts are those of Solo5 0.12.1: include/elf_abi.h,
// include/mft_abi.h, and the checks of tenders/common/elf.c and mft.c.
//
// The package imports the standard library only. The daemon and the tenders
// import it.
package image
