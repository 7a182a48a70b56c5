// Package vm holds the words of the domain: what a unikernel is called, what it
// is given, what it reports and how it ends. Every other package speaks in
// these types; this one imports only the standard library and has no effects.
//
//	Label ─┐
//	       ├─ Path ─┐                   name.go      who: a:b:www
//	       │        ├─ Name             text.go      how people and the wire spell it
//	       └────────┘                   mac.go       addresses that follow from it
//
//	Arguments ── Config                 config.go    what a unikernel asks for
//	Block, Net, Fail                    config.go
//	Info, BlockInfo, NetInfo            info.go      what runs
//	Policy                              policy.go    what a path may use
//	Exit ── Fail.Decide ── Decision     exit.go      what happens when one ends
//	Stats: Rusage, Interface, …         stats.go     what one has used
//
// Sizes of memory and block devices are whole megabytes of 2^20 bytes; CPUs are
// the host's CPU numbers from 0. Values that Albatross 2.7 puts on the wire keep
// its meaning; what this project adds says so.
package vm
