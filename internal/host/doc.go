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
//	events.go    what happened, for the event log      ends.go      how each ended last
//	claims.go    policies, devices and addresses       check.go     is all on disk as it should be
//	bridges.go   bridges that come and go              cgroups.go   limits, and lack of memory
//	farewell.go  last lines of consoles                revoke.go    what revoked certificates created
//	arrivals.go  content that is on its way from afar  delegations.go  policies that come from there
//	refuse.go    what is refused before anything is done
//
// Locks, in the order in which they are taken: that of a name (names.go), held for
// a whole operation, so that operations on one unikernel follow each other while
// those on others run beside them; policies, held while one changes in the tree
// and in the store; looking, held while the root's policy is found out; Host.mu,
// which guards the tables and the fields that queries read, and is held for a few
// assignments and never during I/O. The links to keeper and console and the user
// ids have locks of their own, under which none of these is taken. Block devices
// have names and locks of their own.
//
// A create is acknowledged once its record is durable, and its process runs by
// then. A record without a process is therefore a unikernel to start, a process
// without a record one to stop: that is all a start of the daemon has to know
// (adopt.go).
package host
