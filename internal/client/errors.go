package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/paths"
	"albatross/internal/wire"
)

// Errors that are not a daemon's answer.
var (
	ErrConnect = errors.New("cannot connect to the daemon")
	ErrBroken  = errors.New("the conversation with the daemon broke")
	ErrEnded   = errors.New("the daemon ended a stream that had begun") // what matches it matches ErrBroken too
)

// Failure is the refusal of a daemon that gives a sentence and no code.
type Failure struct{ Sentence string }

// Error returns the sentence.
func (f *Failure) Error() string { return f.Sentence }

// connectError says why nobody answers at the socket of s.
func (c Client) connectError(s service, err error) error {
	tmp, path, cause := c.Tmp, c.socket(s), fmt.Errorf("%w: %w", ErrConnect, err)
	if e := tmp.Check(); e != nil && c.Socket == "" {
		return &api.Error{Code: api.Invalid, Sentence: e.Error(), Err: cause}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		e := &api.Error{Code: api.Unavailable, Err: cause}
		e.Sentence = fmt.Sprintf("%s does not run: nobody listens on %s", s, path)
		if c.Socket != "" {
			return e
		}
		return e.Hinted("%s", startHint(s, tmp))
	case errors.Is(err, fs.ErrPermission):
		e := &api.Error{Code: api.Denied, Err: cause}
		e.Sentence = fmt.Sprintf("you may not use %s: permission denied", path)
		return e.Hinted("be root or a member of the group albatross, or run daemons of your own: albatross up")
	}
	return &api.Error{
		Code:     api.Unavailable,
		Sentence: fmt.Sprintf("cannot connect to %s on %s: %v", s, path, rootCause(err)),
		Err:      cause,
	}
}

// startHint says how the daemon that lacks is started, and which other reason
// there may be.
func startHint(s service, tmp paths.Tmp) string {
	switch dir, run := filepath.Split(filepath.Clean(string(tmp))); {
	case tmp == paths.DefaultTmp:
		return fmt.Sprintf("start it with: systemctl start %s; or run your own: albatross up, and set %s to what it prints", s, paths.TmpEnv)
	case run == "run":
		return fmt.Sprintf("start it with: albatross up --dir %s", filepath.Clean(dir))
	}
	return fmt.Sprintf("start it with: albatross up --dir DIR, and set %s to what it prints", paths.TmpEnv)
}

// brokenError says how a conversation ended that should have gone on.
func brokenError(ctx context.Context, s service, patience time.Duration, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := &api.Error{Code: api.Unavailable, Err: fmt.Errorf("%w: %w", ErrBroken, err)}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Sentence = fmt.Sprintf("%s has made no progress for %v", s, patience)
		e.Hint = "it may be overloaded: try again, and look into its log"
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrFrameTooLong), errors.Is(err, wire.ErrEmptyFrame):
		e.Sentence = fmt.Sprintf("what %s answers cannot be understood: %v", s, err)
		e.Hint = "is it a daemon of another version that listens there?"
	case closedByPeer(err):
		e.Sentence = fmt.Sprintf("%s closed the connection without an answer", s)
		e.Hint = "it may have been stopped, or be too old for this command: its log says more"
	default:
		e.Sentence = fmt.Sprintf("the connection to %s broke: %v", s, rootCause(err))
	}
	return e
}

// unexpected is a reply that does not answer what was asked.
func unexpected(s service, p wire.Payload) error {
	return &api.Error{
		Code:     api.Internal,
		Sentence: fmt.Sprintf("%s gave an answer of the wrong kind (%T)", s, p),
		Hint:     "is it a daemon of another version that listens there?",
		Err:      ErrBroken,
	}
}

// tooOld is what a daemon that knows only Albatross's own commands cannot do.
func tooOld(s service, what string) error {
	return api.Errorf(api.Unavailable, "this %s cannot %s: it is an Albatross 2.7 daemon, or too old", s, what)
}

// closedByPeer reports whether err says that the other end closed.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Gone reports whether err is that a daemon does not run, or ended while it was
// asked: one that follows may ask again when it is back.
func Gone(err error) bool {
	return errors.Is(err, ErrConnect) || errors.Is(err, ErrBroken) && closedByPeer(err)
}

// rootCause leaves out what net.OpError says about addresses, which the
// sentence around it says better.
func rootCause(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}
