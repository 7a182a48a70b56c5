// Package events is the event log of albatrossd: what happened to which
// unikernel, when and why. It is bounded, survives the daemon and the host, and
// any number of readers follow it.
//
//	Append ──▶ one write(2) ──▶ DIR/00000000000000000001.jsonl   oldest, deleted next
//	  │                             00000000000000004711.jsonl
//	  │ wakes                       00000000000000009301.jsonl   written to
//	  ▼                                 ▲             │
//	Follow ◀── reads the files ─────────┼─────────────┘
//	                                    │
//	            once a second, or less: fsync, by a goroutine of the Log
//
//	log.go       Log: append, and begin a new segment when one is full
//	sync.go      what makes it durable
//	segment.go   the files, and which line is the last one
//	line.go      one event as a line of JSON, and back
//	read.go      Read and Follow
//	cursor.go    a place in the log, from which reading goes on
//	backward.go  the lines of a file, the last one first
//
// A segment is named after the sequence number that its first event has, or was
// to have. A line is in the page cache when Append returns: a daemon that is
// killed loses nothing, a host that loses its power the last second.
//
// What the files contain is not trusted. A last line that is not whole is cut off
// by Open, and any other line that is no event is skipped. The sequence numbers
// tell: an event that could not be written has used up its number, so a reader
// that misses some is told how many ([api.EventLost]), whether the disk was full,
// a line was damaged, or the segment was deleted before it was read.
//
// Readers hold no lock while they read or while they call back, and no file
// open while they call back, so neither slows down Append, and a deleted segment
// frees its space.
//
// The packages host and vmmd import this one; it imports api and vm.
package events
