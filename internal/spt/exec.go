package spt

import (
	"fmt"
	"os"
	"syscall"
)

// Exec turns this process into the unikernel: it puts the descriptors of FDs in
// place and executes the program, with an empty environment since the guest can
// read its first stack. It returns only if that fails.
func (p *Program) Exec() error {
	// Moved out of the way first, none is overwritten before it was placed.
	high := make([]int, len(p.fds))
	for i, fd := range p.fds {
		moved, err := dupAbove(fd, len(p.fds))
		if err != nil {
			return fmt.Errorf("executing %s: %w", p.what, err)
		}
		high[i] = moved
	}
	for i, fd := range high {
		if err := syscall.Dup3(fd, i, 0); err != nil {
			return fmt.Errorf("executing %s: placing descriptor %d: %w", p.what, i, err)
		}
	}
	err := syscall.Exec(p.Path(), []string{p.what}, nil)
	return fmt.Errorf("executing %s: %w", p.what, &os.PathError{Op: "exec", Path: p.Path(), Err: err})
}

func dupAbove(fd, above int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, uintptr(above))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
