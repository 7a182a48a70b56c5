package spt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// ErrNotStarted marks a program that was executed but did not reach the guest.
var ErrNotStarted = errors.New("the unikernel did not start")

// ReadStatus waits at the read end of the status pipe until the guest is about
// to run, and says what failed otherwise. The writing end must be closed
// everywhere but in the child.
func (p *Program) ReadStatus(r io.Reader) error {
	record, err := io.ReadAll(io.LimitReader(r, 8))
	switch {
	case err != nil:
		return fmt.Errorf("%w: reading its status: %w", ErrNotStarted, err)
	case len(record) == 0:
		return nil
	case len(record) < 8:
		return fmt.Errorf("%w: its status is %d bytes, not 8", ErrNotStarted, len(record))
	}
	step, errno := binary.LittleEndian.Uint32(record), syscall.Errno(binary.LittleEndian.Uint32(record[4:]))
	if int(step) >= len(p.steps) {
		return fmt.Errorf("%w: step %d failed: %w", ErrNotStarted, step, errno)
	}
	return fmt.Errorf("%w: %s failed: %w", ErrNotStarted, p.steps[step], errno)
}
