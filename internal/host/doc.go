// Package host is the core of albatrossd: the one owner of what runs on a host.
// Commands come in as method calls, effects go out to the packages around it.
//
//	          Create Destroy Restart Info …          exits
//	                    │                              ▲
//	names.go  one operation a name at a time           │
//	                    ▼                              │
//	unit ── lifecycle.State.Next ── actions ──▶ start.go, stop.go
//	                                             │
//	   ┌───────────┬───────────┬──────────┬──────┴────┬────────────┐
//	 store       image       hostnet    block      spt | hvt    keeper ─▶ process
//	(records)   (images)     (taps)    (devices)   (programs)   (spawn, exits)
//
// Two locks exist. The lock of a name (names.go) is held for a whole operation,
// so that operations on one unikernel follow each other while those on others
// run beside them. Host.mu guards the tables and the fields that queries read; it
// is held for a few assignments and never during I/O.
//
// A create is acknowledged once its record is durable, and its process runs by
// then. A record without a process is therefore a unikernel to start, a process
// without a record one to stop: that is all a start of the daemon has to know
// (adopt.go).
package host
