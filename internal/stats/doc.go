// Package stats is the daemon albatross-stats: it is told which process each
// unikernel is, samples what those processes, their control groups, virtual
// machines and network interfaces have used, and tells whoever asks.
//
//	albatrossd ──hand over, remove─▶ vmmd.go ─┐
//	client ────────────add, remove─▶ handler ─┼─▶ targets ─▶ round ─┬─▶ tick ─┬─▶ handler ─▶ subscriber
//	                                          │                     │         └─▶ Config.Push ─▶ stats/influx
//	                                          └─▶ subscribers       └─▶ Readings ─▶ stats/prom ─▶ Prometheus
//
//	targets.go    what is sampled: a name, a process, its taps
//	round.go      takes samples
//	tick.go       does so every interval, of what somebody wants
//	subscribers.go  who gets samples
//	watch.go      the same for who has asked for a period of his own
//	handler.go    the commands of util/stat.sock
//	vmmd.go       the connection to util/vmmd.sock, on which albatrossd commands
//	rights.go     the descriptors that come on it
//	descriptors.go  how many there may be of what
//	ask.go        asks the other daemons what they count
//	daemon.go     all together
//	sample/       reads what Linux counts
//	prom/         /metrics    influx/  InfluxDB's line protocol
//
// The conversation with albatrossd begins at this end, by a hello. One that knows
// the verb "handover" sends descriptors with each process; see
// [api.HandoverWanted]. Others are spoken to as in Albatross 2.7, which tells
// numbers:
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
// No number of a process is trusted by itself: see stats/sample. An add whose
// process is gone already is answered as any other and adds nothing.
//
// A subscriber gets the samples of the unikernel that it names, or of all below
// the path that it names, with names relative to it. Every sample says all, so
// one who is slow misses some and nobody waits for him. A second subscriber of
// the same name ends the first. The verb of [api.VerbSamples] is for our own
// clients: with a period that each chooses, and the end of every round marked.
//
// Daemon.mu guards all tables and is not held while anything blocks; a round
// takes Daemon.rounds, and of one target after the other target.mu.
//
// Only cmd/albatross-stats (and a program that runs all daemons) imports this
// package; it imports stats/sample, server, wire, vm, api, linux, paths.
package stats
