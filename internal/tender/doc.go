// Package tender is the command line that albatross-hvt and albatross-spt share:
// the one of Solo5's own tenders, so that Solo5's test suite and its users find
// what they know.
//
//	PROG [OPTION]... [--] KERNEL [ARG]...
//
//	--mem=MB                       guest memory, 512 by default
//	--net:NAME=IFACE               tap interface for network device NAME
//	--net-mac:NAME=MAC             its address; a random one by default
//	--block:NAME=PATH              file or block device for block device NAME
//	--block-sector-size:NAME=SIZE  512 by default
//	--help, --version              wherever they stand among the options
//
// The first argument that does not start with "-", or the one behind "--", is
// the kernel; what follows is the unikernel's. In place of KERNEL, IFACE and
// PATH, @FD names a descriptor that this process inherited (a kernel called
// "@3" is ./@3). A process that starts a tender uses, for hvt, two more:
//
//	--kvm=@FD                      /dev/kvm, instead of opening it
//	--status=@FD                   where to report whether the guest runs
//
// Given all of these, a tender opens nothing by name.
//
//	Parse ──▶ Command ──CheckDevices──▶ Load ──▶ Unikernel ──▶ Program.Run
//	      pure                 pure     opens
//
// # Status
//
// Whatever is refused before the guest runs ends in one line on standard error,
// "PROG: why", and exit code 1. The same line, without the name and the newline,
// goes to the status descriptor. It is closed right before the guest's first
// instruction: end of file without data means that the guest runs.
//
// # Compatibility
//
// The syntax, exit codes and streams are those of Solo5 0.12's
// tenders/hvt/hvt_main.c and tenders/spt/spt_main.c. Where those are lax, as
// about a device that is attached twice, a number with something behind it, or
// an address for a group of hosts, this is strict. The option --x-exec-heap of
// spt is refused. Some messages hold words that Solo5's test suite looks for;
// the code says where.
//
// Only cmd/albatross-hvt and cmd/albatross-spt import this package.
package tender
