package legacy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Exit codes of Albatross 2.7.
const (
	exitOK          = 0
	exitChain       = 116
	exitRefused     = 117
	exitHTTP        = 118
	exitRejected    = 119 // the remote host does not accept the certificate
	exitServer      = 120 // the remote host is not the one that was meant
	exitBroken      = 121
	exitConnect     = 122
	exitUsage       = 124
	exitInternal    = 125
	exitInterrupted = 130 // as of a program that a shell sees interrupted
)

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// fail returns a failure.
func fail(code int, format string, args ...any) error {
	return &failure{code, fmt.Errorf(format, args...)}
}

// refusal is what a daemon said about a name.
type refusal struct {
	of  vm.Name // on the host
	err error
}

func (r *refusal) Error() string {
	return fmt.Sprintf("host %s: command failed %v", shown(r.of), r.err)
}

func (r *refusal) Unwrap() error { return r.err }

// about tells that err, if it is a daemon's refusal, is one about n.
func (a *app) about(n vm.Name, err error) error {
	if err != nil && code(err) == exitRefused {
		return &refusal{a.full(n), err}
	}
	return err
}

// code classifies an error.
func code(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	_, isUsage := errors.AsType[*usageError](err)
	_, isProblem := errors.AsType[*api.Error](err)
	_, isFailure := errors.AsType[*client.Failure](err)
	switch {
	case err == nil, errors.Is(err, client.ErrDiverted):
		return exitOK
	case isUsage, errors.Is(err, wire.ErrNotRepresentable), errors.Is(err, client.ErrUnsigned):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, client.ErrConnect):
		return exitConnect
	case errors.Is(err, client.ErrChain):
		return exitChain
	case errors.Is(err, client.ErrRejected):
		return exitRejected
	case errors.Is(err, client.ErrServer):
		return exitServer
	case errors.Is(err, client.ErrBroken) && errors.Is(err, io.EOF):
		return exitOK // a daemon that closes where a message might begin has nothing to say
	case errors.Is(err, client.ErrBroken):
		return exitBroken
	case isProblem, isFailure:
		return exitRefused
	}
	return exitInternal
}

// exit says what went wrong and returns the exit code.
func (a *app) exit(err error) int {
	result := code(err)
	misused, isUsage := errors.AsType[*usageError](err)
	switch {
	case result == exitOK && a.remote != nil && errors.Is(err, client.ErrBroken):
		a.log(levelWarning, "%v: it may refuse the certificate or the command", err)
	case result == exitOK, result == exitInterrupted:
	case isUsage:
		fmt.Fprintf(a.err, "%s: %s\n", Program, clean(err.Error()))
		fmt.Fprint(a.err, usageHint(misused.command))
	case result == exitRefused:
		a.log(levelWarning, "%v", err)
	default:
		a.log(levelError, "%v", err)
	}
	return result
}
