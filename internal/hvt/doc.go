// Package hvt runs one Solo5 unikernel of the target hvt in a virtual machine
// of KVM: it builds the guest's initial memory and registers, runs its one vCPU
// and answers its hypercalls. Everything it needs is handed to it open; it
// opens nothing that has a name.
//
// # Memory
//
//	0x0_0000  not present     first page: null pointers fault
//	0x0_1000  not present     GDT: null, code (selector 8), data (selector 16)
//	0x0_2000  not present     PML4, one entry
//	0x0_3000  not present     PDPT, four entries
//	0x0_4000  not present     PD, four pages: 2 MB pages, but for the first 2 MB …
//	0x0_8000  not present     … PT, 4 KB pages
//	0x1_0000  read-only       boot information, manifest, command line
//	0x10_0000 read-write      the image; its segments without W are read-only
//	…                         heap up to, and stack down from, the end
//
// Read-only below 1 MB and "not present" are properties of the guest's page
// tables, and this package refuses to write there on a guest's behalf. Segments
// are read-only by host protection. There is no no-execute bit: a guest can run
// its data, as with Solo5's own tender.
//
// # Hypercalls
//
// A guest writes the 32-bit guest address of an argument to I/O port 0x500+n.
// Offsets are in bytes; fields have 8 bytes, ret and status are i32.
//
//	n              argument (▷ in, ◁ out)
//	1 WALLTIME     ◁ns@0
//	2 PUTS         ▷data@0 ▷len@8
//	3 POLL         ▷timeout@0 ◁ready@8 ◁ret@16
//	4 BLOCK_WRITE  ▷handle@0 ▷offset@8 ▷data@16 ▷len@24 ◁ret@32
//	5 BLOCK_READ   as BLOCK_WRITE
//	6 NET_WRITE    ▷handle@0 ▷data@8 ▷len@16 ◁ret@24
//	7 NET_READ     as NET_WRITE; ◁len@16
//	8 HALT         ▷cookie@0 ▷status@8
//
// ret is 0 done, 1 try again later, 2 invalid, 3 failed; of POLL it is a
// number of devices. What is wrong but cannot be answered, such as an argument
// outside of memory, an unknown port or a triple fault, ends the guest: Run
// returns an error that says what happened.
//
// # Blocking
//
// The goroutine of Run is locked to a thread, which runs the guest. Hypercalls
// that can wait (POLL, block I/O, a console that blocks) are ordinary system
// calls of Go, so an idle guest costs the runtime nothing. Waiting for taps and
// for the console also waits for a pipe that is closed to stop the guest.
//
// The console does not stop the guest: what a non-blocking console does not take
// at once, or a broken one not at all, is lost. A blocking one is waited for.
// Only with NeedsReader a pipe without a reader ends the guest that prints.
//
// # Confinement
//
// A tender that a guest took over can do little more than the guest. With
// Confined the process ends up, once all is open and before the guest's first
// instruction, under a filter of system calls that kills (SIGSYS) for any other
// than these:
//
//	ioctl               of the vCPU: KVM_RUN, KVM_GET_REGS
//	epoll_pwait, …      on the wait set, its timer and the console's set
//	read, write         taps; the console and standard error are written to
//	pread64, pwrite64   block devices, from within their bounds
//	close               anything
//	the Go runtime's    threads, futexes, private memory that cannot be executed,
//	                    timers, signals to this process, exit: see rules.go
//
// Nothing is opened, connected or executed from then on. What the runtime does
// depends on its version: the tests confine victims, processes that do each thing
// that is permitted or forbidden, in the state that a tender is in. With cgo the
// threads are a C library's, and Run refuses.
//
// The ABI is that of Solo5 0.12's include/hvt_abi.h, version 2; the initial
// processor state is that of its tenders/hvt. The network ring of that file is
// not offered. Only cmd/albatross-hvt imports this package.
package hvt
