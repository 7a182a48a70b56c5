package wire

import (
	"errors"
	"fmt"
)

// Errors of this package, beside those of the connection. A connection that
// ends between two frames gives [io.EOF], one that ends inside a frame
// [io.ErrUnexpectedEOF].
var (
	ErrMalformed        = errors.New("malformed message")                            // every *Error is one
	ErrNotRepresentable = errors.New("cannot be written")                            // a value that has no place in the form it is to be written in
	ErrFrameTooLong     = errors.New("frame is too long")                            // longer than Reader.MaxFrame, MaxImage or MaxLength allows
	ErrEmptyFrame       = errors.New("an empty frame stands where a message is due") // as ends a raw stream
	ErrRefused          = errors.New("octets refused")                               // every *RefusedError is one
)

// Error says what is wrong with bytes that should be a message, and where.
type Error struct {
	Where  string // the elements from the outermost to the one in question, joined by dots
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%v: %s: %s", ErrMalformed, e.Where, e.Reason)
}

// Is reports whether target is [ErrMalformed].
func (e *Error) Is(target error) bool { return target == ErrMalformed }

// RefusedError says that the [Sink] of a [Reader] failed, not the connection.
// The rest of the frame has not been read: [Reader.Skip] does that, or the
// connection is of no more use.
type RefusedError struct {
	Header Header // of the message, for the reply
	Err    error  // what the Sink said
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%v: %v", ErrRefused, e.Err) }

// Unwrap returns [ErrRefused] and what the Sink said.
func (e *RefusedError) Unwrap() []error { return []error{ErrRefused, e.Err} }
