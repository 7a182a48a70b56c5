// Package spt runs Solo5 unikernels of the target spt without a tender process:
// it builds a small static executable, in memory only, that turns the process
// which executes it into the unikernel.
//
//	file (memfd)                       address space before …     … and after
//
//	page 0   ELF header, stub ──┐      0x0001_1000 boot info      boot info      rw
//	page 1…  script ─────────┐  │                                 guest memory   rw
//	page n…  boot info ───┐  │  │                                   text from image rx
//	                      ▼  ▼  ▼      0x2000_0000_0000 stub  rx  stub           rx
//	                  PT_LOAD each     0x2000_0000_1000 script r  script         r
//
// The stub (stub_amd64.s) is some 200 bytes of machine code that walks the
// script, a list of system calls with constant arguments, and then jumps to the
// guest's entry. All policy is data, made here:
//
//	close_range         whatever leaked
//	prctl, prlimit64    name, no transparent huge pages, no core dump
//	mmap                guest memory from 0x100000
//	mmap, pread64       segments: whole pages straight from the image's file, so
//	mprotect            that all unikernels of one image share its page cache
//	prctl               no_new_privs
//	close               image, status pipe
//	seccomp             the filter of filter.go
//
// The status pipe tells whether the guest runs: a failing step writes {u32 step,
// u32 errno} into it and the process dies; end of file without data means that
// the guest is about to run. Without a status pipe (the command albatross-spt)
// the step's message goes to standard error and the exit code is 1.
//
// The child's descriptors have fixed numbers:
//
//	0 /dev/null   1 console   2 messages   3 status   4 image   5 epoll   6 timer
//	7…  one for each attached device, in the order of the manifest
//	then the executable itself
//
// The ABI is that of Solo5 0.12's include/spt_abi.h, version 2.
package spt
