// Package stats is the daemon albatross-stats: it is told which process each
// unikernel is, samples what those processes and their network interfaces have
// used, and streams the samples to subscribers.
//
//	albatrossd ──add, remove─▶ vmmd.go ─┐
//	client ─────add, remove──▶ handler ─┼─▶ targets ─▶ tick ─┬─▶ handler ─▶ subscriber
//	                                    └─▶ subscribers ─────┘
//
//	targets.go    what is sampled: a name, a process, its taps
//	subscribers.go  who gets samples
//	tick.go       takes samples, every interval, of what somebody subscribes to
//	handler.go    the commands of util/stat.sock
//	vmmd.go       the connection to util/vmmd.sock, on which albatrossd commands
//	daemon.go     all together
//	sample/       reads /proc and rtnetlink
//
// The conversation with albatrossd begins at this end, as in Albatross 2.7:
//
//	stats                         albatrossd
//	  │ initial                      │
//	  ├──────────────────────────────▶   replaces a former connection
//	  │                        empty │
//	  ◀──────────────────────────────┤
//	  │            add, for each unikernel that runs, and whenever one starts;
//	  ◀──────────────────────────────┤   remove, whenever one ends
//	  │ added, removed               │
//	  ├──────────────────────────────▶
//
// If it breaks it begins anew, and what was added stays until its process ends.
//
// A process is known by its number and its start time: one that has ended is
// forgotten, one that gets its number is another one. So an add whose process is
// gone already is answered as any other and adds nothing.
//
// A subscriber gets the samples of the unikernel that it names, or of all below
// the path that it names, with names relative to it. Every sample says all, so
// one who is slow misses some and nobody waits for him. A second subscriber of
// the same name ends the first.
//
// Daemon.mu guards all tables and is not held while anything blocks.
//
// Only cmd/albatross-stats (and a program that runs all daemons) imports this
// package; it imports stats/sample, server, wire, vm, api, paths.
package stats
