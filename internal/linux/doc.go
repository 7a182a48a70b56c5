// Package linux is the one door to those system calls that the standard
// library lacks. It is a shim: each function is one system call (or the few
// that belong together), retried on EINTR, with an error that says what
// failed on what. It holds no policy.
//
//	fd.go        FD, a descriptor with exactly one owner
//	memfd.go     anonymous, sealable, executable files
//	epoll.go     epoll sets and timer descriptors
//	fs.go        facts about file systems, lock files
//	fifo.go      FIFOs and pipe sizes
//	fdpass.go    descriptors and credentials over unix sockets
//	proc.go      what /proc/PID/stat says: state and start time
//	process.go   subreaper, pidfd, process name, network namespaces
//	seccomp.go   a system call filter for all threads of the process
//
// Every descriptor that is made or received here is close-on-exec. A process
// that is to inherit one gets it explicitly (os/exec's ExtraFiles, or a dup2 in
// the child).
//
// Only this package, internal/kvm and internal/tap import
// golang.org/x/sys/unix; all other packages come here. Anyone may import it; it
// imports nothing of this project.
package linux

import "golang.org/x/sys/unix"

// retry calls f until it is not interrupted by a signal. The Go runtime
// preempts goroutines by signals, so EINTR can come at any time even in a
// program that installs no handler.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// retryValue is retry for calls that return a value.
func retryValue[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if err != unix.EINTR {
			return v, err
		}
	}
}
