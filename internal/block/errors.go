package block

import (
	"errors"
	"fmt"
	"syscall"

	"albatross/internal/vm"
)

// Reasons why an operation failed; its error says of which device.
var (
	ErrNotFound  = errors.New("there is no such block device")
	ErrExists    = errors.New("there is a block device of that name already")
	ErrInUse     = errors.New("it is in use: a unikernel has it, or its content is being read or replaced")
	ErrTooLarge  = errors.New("the content is larger than the block device")
	ErrNoSpace   = errors.New("there is no space left on the disk")
	ErrNotDevice = errors.New("its file is no block device")
	ErrReplaced  = errors.New("it was replaced meanwhile by one of another size")

	// ErrInvalid is matched by errors about what was asked for: a size, a name
	// that is a path, a compression level, broken compressed content. The text
	// says which.
	ErrInvalid = errors.New("invalid request")
)

// invalid is an error that matches ErrInvalid.
type invalid string

func invalidf(format string, args ...any) error { return invalid(fmt.Sprintf(format, args...)) }

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalid }

// noSpace matches ErrNoSpace and its cause, and keeps temporary names to itself.
type noSpace struct {
	what  string
	name  vm.Name
	cause error
}

func (e *noSpace) Error() string {
	if e.what == "set" {
		return fmt.Sprintf("there is no space left on the disk for the new content of block device %s: it keeps the old one", e.name)
	}
	return fmt.Sprintf("there is no space left on the disk to %s block device %s", e.what, e.name)
}

func (e *noSpace) Is(target error) bool { return target == ErrNoSpace }
func (e *noSpace) Unwrap() error        { return e.cause }

// about says what was done with which device when err came, and makes a lack of
// space ErrNoSpace. It returns nil for nil.
func about(what string, n vm.Name, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &noSpace{what, n, err}
	}
	return fmt.Errorf("%s block device %s: %w", what, n, err)
}
