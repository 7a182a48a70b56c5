// Package seccomp makes filters of system calls from rules: a list of what is
// allowed becomes a program of classic BPF, as seccomp(2) takes it. A process
// under the filter that makes any other call is killed, by SIGSYS.
//
//	rules, as data                        program
//
//	Allow(write, Equal(0, 1))             system call of amd64?       no ─▶ kill
//	Allow(write, Equal(0, 7))             write?                      no ─┐
//	Allow(pread, Equal(0, 8),               argument 0 is 1?   yes ─▶ allow
//	             AtMost(3, 4096))           argument 0 is 7?   yes ─▶ allow
//	Allow(exit)                             kill                          │
//	                                      pread?             ◀────────────┘ no ─┐
//	                                        argument 0 is 8, and
//	                                        argument 3 at most 4096?  ─▶ allow  │
//	                                        kill                                │
//	                                      exit?              ◀──────────────────┘
//	                                        allow
//	                                      kill
//
// The rules of one system call are tried together, those for the call that comes
// first in the list first: hot calls belong to the top. From ten calls on, those
// behind the third are looked for by halves instead. Numbers of calls are
// those of amd64; calls of the other two interfaces of such a processor, i386
// and x32, are killed whatever their numbers.
//
// The package is pure. Its importers install what it makes: internal/spt writes
// it into the program that becomes a unikernel, internal/hvt hands it to
// internal/linux for its own process. The instructions and the layout of struct
// seccomp_data that they see are those of linux/seccomp.h and linux/filter.h.
package seccomp
