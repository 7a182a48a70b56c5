package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"albatross/internal/api"
	"albatross/internal/client"
)

// Exit codes; those above 100 are Albatross's.
const (
	exitOK          = 0
	exitRefused     = 1
	exitChain       = 116
	exitRejected    = 119
	exitServer      = 120
	exitBroken      = 121
	exitConnect     = 122
	exitUsage       = 124
	exitInternal    = 125
	exitInterrupted = 130
)

// usageError says why a command line makes no sense.
type usageError struct{ sentence, hint string }

func (e *usageError) Error() string { return e.sentence }

// usage returns a usageError. Without a hint it gets one from [app.report].
func usage(hint, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), hint}
}

// interruptedError says what an interrupt has left undone, where that is not
// plain.
type interruptedError struct{ sentence, hint string }

func (e *interruptedError) Error() string { return e.sentence }

// reported is a failure that was shown already.
type reported struct{ code int }

func (r *reported) Error() string { return fmt.Sprintf("exit code %d", r.code) }

// exitCode classifies an error.
func exitCode(err error) int {
	if r, ok := errors.AsType[*reported](err); ok {
		return r.code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*interruptedError](err); ok {
		return exitInterrupted
	}
	_, isProblem := errors.AsType[*api.Error](err)
	_, isFailure := errors.AsType[*client.Failure](err)
	switch {
	case err == nil:
		return exitOK
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
	case errors.Is(err, client.ErrBroken):
		return exitBroken
	case isProblem, isFailure:
		return exitRefused
	}
	return exitInternal
}

// report shows an error and returns the exit code.
func (a *app) report(err error) int {
	code := exitCode(err)
	_, done := err.(*reported)
	_, tells := err.(*interruptedError)
	if err == nil || done || code == exitInterrupted && !tells {
		return code
	}
	e := describe(err)
	if code == exitUsage && e.Hint == "" {
		e.Hint = a.command + " --help tells what it takes"
	}
	request := a.asked.last()
	if errors.Is(err, client.ErrConnect) {
		request = "" // it has not got anywhere
	}
	e.Hint = whereToLook(err, e.Hint, request)
	if a.json {
		e.Exit, e.Request = code, request
		_ = json.NewEncoder(a.err).Encode(jsonFailure{e}) // there is nobody left to tell
		return code
	}
	_ = a.err.printf("%s %s", a.err.paint(red, "albatross:"), visible(e.Sentence))
	if e.Hint != "" {
		_ = a.err.printf("hint: %s", visible(e.Hint))
	}
	return code
}

// describe finds code, sentence and hint of an error.
func describe(err error) jsonError {
	if u, ok := errors.AsType[*usageError](err); ok {
		return jsonError{Code: "usage", Sentence: u.sentence, Hint: u.hint}
	}
	if i, ok := errors.AsType[*interruptedError](err); ok {
		return jsonError{Code: "interrupted", Sentence: i.sentence, Hint: i.hint}
	}
	d := jsonError{Sentence: err.Error()}
	if e, ok := errors.AsType[*api.Error](err); ok {
		d.Code, d.Hint = string(e.Code), e.Hint
	}
	return d
}
