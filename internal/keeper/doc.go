// Package keeper is the protocol between albatrossd and albatross-keeper, both
// ends of it, and all that the keeper does: it is the parent of every unikernel,
// so that unikernels survive the daemon and their exit statuses are not lost.
// It needs the standard library only.
//
//	daemon                                  keeper
//	   │ spawn {id, argv, uid} + descriptors   │
//	   ├───────────────────────────────────────▶  fork, execute the last descriptor
//	   │                        {pid, started} │
//	   ◀───────────────────────────────────────┤
//	   │ watch                                 │
//	   ├───────────────────────────────────────▶  reaps; remembers the status …
//	   │                     exit {id, status} │
//	   ◀───────────────────────────────────────┤
//	   │ forget {id}                           │
//	   ├───────────────────────────────────────▶  … until told to forget it
//	   │ list                                  │
//	   ├───────────────────────────────────────▶
//	   │     {process}, {process}, …, {}       │
//	   ◀───────────────────────────────────────┤
//	   │ signal {id, number, purpose}          │
//	   ├───────────────────────────────────────▶  remembers the purpose
//
// One packet of a SOCK_SEQPACKET unix socket is one message in JSON, with
// descriptors as SCM_RIGHTS. Requests carry a number that their answers repeat;
// exits come unasked, number 0, to every connection that watches: first those
// that are remembered, then each as it happens. The ids are the daemon's; one
// id names one process ever, so a repeated spawn is refused, not doubled.
//
// A child is born in its control groups. One thread starts all children
// (forker.go): into a v2 group by clone3, into v1 groups by being there itself for
// that moment (placement.go). It opens none of them, it gets descriptors.
//
// The keeper holds the descriptor that became the child's 1, its console FIFO,
// until it is told to forget the process: what a unikernel wrote last is not
// lost while the console's reader restarts. Such descriptors are in a vault
// (vault.go), out of the way of children that are started.
package keeper
