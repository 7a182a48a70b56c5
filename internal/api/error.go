package api

import (
	"errors"
	"fmt"
	"strings"
)

// Code classifies an error for programs.
type Code string

// The codes.
const (
	Invalid     Code = "invalid"     // the request makes no sense
	Image       Code = "image"       // the image is no unikernel that runs here
	Manifest    Code = "manifest"    // the devices given are not those the image needs
	Policy      Code = "policy"      // a policy does not allow it
	Exists      Code = "exists"      // the name is in use
	NotFound    Code = "not-found"   // there is no such unikernel, device, policy, bridge
	InUse       Code = "in-use"      // something else uses it
	Resource    Code = "resource"    // the host has not got enough of something
	Denied      Code = "denied"      // not allowed to this client
	Unavailable Code = "unavailable" // not now, or not by this daemon
	Internal    Code = "internal"    // a fault of the daemon or its host
)

// Error is an error that a client may see: a code for programs, a sentence for
// people, and perhaps a hint what to do. Err is the cause, which stays on the
// daemon's side of the wire.
type Error struct {
	Code     Code
	Sentence string
	Hint     string // may be empty
	Err      error  // may be nil
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Sentence }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with the given sentence; %w sets its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Sentence: err.Error(), Err: errors.Unwrap(err)}
}

// Hinted sets the hint and returns e.
func (e *Error) Hinted(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// AsError returns the Error in err's chain, or one of code Internal that says
// in one line what err says. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: Internal, Sentence: strings.ReplaceAll(err.Error(), "\n", "; "), Err: err}
}
