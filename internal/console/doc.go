// Package console is the daemon albatross-console: it reads what unikernels
// write to their FIFOs, keeps it, in memory and on disk, and streams it to
// subscribers.
//
//	FIFO ─▶ source ─▶ drain ─▶ feed ─┬─▶ ring (the newest lines)  ─┐
//	                                 └─▶ archive.Log (on disk)    ─┴─▶ past ─▶ client
//
//	source.go    a FIFO that is read, without a buffer while nothing comes
//	console.go   one console: which FIFOs it reads, one after the other
//	drain.go     its goroutine: from the FIFO to the feed
//	feed.go      its lines and who is told of them; the only lock on their way
//	past.go      the way back: lines by their numbers, from memory or disk
//	stream.go    a client that reads one console: what was, then what comes
//	group.go     a client that reads all below a path; merge.go: in order of time
//	pace.go      how fast they get lines
//	enter.go     how many clients may read
//	evict.go     which inactive console goes (pure)
//	daemon.go    all consoles by name: add, subscribe; list.go: which there are
//	handler.go   the commands of Albatross's protocol, and our own
//	lines/       Splitter, Ring, Bucket (pure)
//	archive/     what is on disk
//
// A console is active while its FIFO has writers, as albatrossd and the keeper
// are before and while the unikernel runs. When the last one has gone the
// console is inactive: its lines stay in memory until the same name is added
// again or another console needs the place, and on disk until newer lines need
// that. A name that was never added may have subscribers already, who wait for it.
//
//	          subscribe            add                  last writer gone
//	(nothing) ─────────▶ waiting ────────▶ active ─────────────────────▶ inactive
//	    └──────────────── add ───────────────▲  ▲                           │
//	                                         │  └────────── add ────────────┘
//
// A name that is added again goes on with the lines that it had, whatever unikernel
// has it now: only who may create it could have written them.
//
// Nothing that a unikernel writes or a client does not read can delay another
// one: a drain waits neither for clients nor for the disk. Clients have no
// buffers but for what is on its way; each knows the number of the line that it
// needs next. Who is late gets lines from disk. Who has had Limits.Burst bytes and
// more of a flood, or is late where there is no disk, goes on with the newest ones,
// and is told how many are missing: what a client got and what it was told to have
// lost are, in order, all lines since its first one. Memory is bounded by [Limits]
// for each console.
//
// Albatross's own clients get no empty lines and none longer than Albatross keeps.
//
// Locks: Daemon.mu comes before feed.mu, that before group.mu, and all before those
// of archive; none is held while anything blocks.
//
// Only cmd/albatross-console (and a program that runs all daemons) imports this
// package; it imports archive, lines, server, wire, vm, api, paths.
package console
