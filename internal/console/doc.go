// Package console is the daemon albatross-console: it reads what unikernels
// write to their FIFOs, keeps the newest lines of each, and streams them to
// subscribers.
//
//	FIFO ─▶ source ─▶ drain ─▶ feed ─┬─▶ ring (history)
//	                                 ├─▶ queue ─▶ stream ─▶ subscriber
//	                                 └─▶ queue ─▶ stream ─▶ subscriber
//
//	source.go    a FIFO that is read, without a buffer while nothing comes
//	console.go   one console: which FIFOs it reads, one after the other
//	drain.go     its goroutine: from the FIFO to the feed
//	feed.go      its lines and who gets them; the only lock on their way
//	stream.go    a subscriber's goroutine: from its queue to the connection
//	evict.go     which inactive console goes (pure)
//	daemon.go    all consoles by name: add, subscribe, list-inactive
//	handler.go   the commands of Albatross's protocol
//	lines/       Splitter, Ring, Queue (pure)
//
// A console is active while its FIFO has writers, as albatrossd and the keeper
// are before and while the unikernel runs. When the last one has gone the
// console is inactive: its lines stay until the same name is added again or
// another console needs the place. A name that was never added may have
// subscribers already, who wait for it.
//
//	          subscribe            add                  last writer gone
//	(nothing) ─────────▶ waiting ────────▶ active ─────────────────────▶ inactive
//	    └──────────────── add ───────────────▲  ▲                           │
//	                                         │  └────────── add ────────────┘
//
// Nothing that a unikernel writes or a subscriber does not read can delay
// another one: a reader never waits for subscribers. A subscriber that is too
// slow loses the oldest lines of its queue and is told how many. Memory is
// bounded by [Limits] for each console and each subscriber.
//
// Locks: Daemon.mu comes before feed.mu; neither is held while anything blocks.
//
// Only cmd/albatross-console (and a program that runs all daemons) imports this
// package; it imports server, wire, vm, api, paths.
package console
