// Package supervisor keeps the daemons of one directory running, for "albatross
// up": a first try, a test, a laptop. Hosts use systemd.
//
//	DIR/run/util/*.sock          sockets          DIR/db/    what must not be lost
//	DIR/run/fifo/                consoles         DIR/log/   what the daemons log
//	DIR/run/up.pid               locked by the supervisor while it runs
//	DIR/run/PROGRAM.pid          which process a daemon is, and when it began
//
//	Run:   lock ── adopt or start each daemon, wait until it answers ── ready
//	                 │ one that ends is started again, later each time,
//	                 │ unless it ended with daemon.ExitDown: then all end
//	                 └ ctx ends ── Stop ── end the daemons, last one first ── unlock
//	Down:  tell the supervisor to end and wait, or end what a killed one left
//
// A daemon is in a process group of its own, so that the terminal's Ctrl-C
// reaches the supervisor only, and logs to a file, so that it does not depend on
// the supervisor. If that is killed the daemons go on, and the next Run adopts
// them: it finds them by their pid files, or by asking the kernel who listens on
// their sockets.
//
//	run.go       Supervisor, Run          down.go     Down
//	keep.go      one daemon, kept up      backoff.go  how long to wait
//	process.go   processes, adopted too   dir.go      files and the lock
//	logs.go      logs shown as they grow
//
// Package cli is the only importer.
package supervisor
