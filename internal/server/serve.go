package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/metrics"
	"albatross/internal/wire"
)

// Values of [Options] that are 0.
const (
	DefaultMaxConns     = 1024
	DefaultIdleTimeout  = 5 * time.Minute
	DefaultStallTimeout = 30 * time.Second
	DefaultGrace        = 10 * time.Second
)

// Options of a server.
type Options struct {
	Daemon       string        // the program's name, for the answer to hello
	Verbs        []string      // of private commands that the handler takes, without hello
	MaxConns     int           // connections at a time; more are closed at once. 0: DefaultMaxConns
	IdleTimeout  time.Duration // how long a client may be silent between messages. 0: DefaultIdleTimeout; negative: for ever
	StallTimeout time.Duration // how long one may stand still within a message. 0: DefaultStallTimeout
	Grace        time.Duration // how long Serve waits for handlers at the end. 0: DefaultGrace

	// Metrics completes what the verb "metrics" is answered with; nil: the verb is
	// not known.
	Metrics func(*api.Metrics)
	// Connections counts those of this server; nil: it has a counter of its own,
	// which Metrics finds as [api.ConnUnix].
	Connections *metrics.Connections

	started time.Time
}

func (o Options) withDefaults() *Options {
	o.MaxConns = max(o.MaxConns, 0)
	setDefault(&o.MaxConns, DefaultMaxConns)
	setDefault(&o.IdleTimeout, DefaultIdleTimeout)
	setDefault(&o.StallTimeout, DefaultStallTimeout)
	setDefault(&o.Grace, DefaultGrace)
	o.beginCounting()
	return &o
}

func setDefault[T int | time.Duration](v *T, standard T) {
	if *v == 0 {
		*v = standard
	}
}

// Handler obeys the commands of clients.
type Handler interface {
	// Handle serves one connection, which is closed when it returns. ctx ends
	// when the daemon does. io.EOF and errors of [Conn.Next] may be returned as
	// they are: Serve logs each as it deserves.
	Handle(ctx context.Context, c *Conn) error
}

// ErrUnexpected is what a handler returns, wrapped, for a message that has no
// business on its socket and that Albatross answers by closing the connection.
var ErrUnexpected = errors.New("unexpected message")

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, c *Conn) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, c *Conn) error { return f(ctx, c) }

// Serve accepts connections on l until ctx ends, and has h handle each in a
// goroutine of its own. When ctx ends, clients may still receive what is on its
// way to them, but nothing is read any more. Serve returns when all handlers
// have; if one takes longer than Options.Grace, with an error. It closes l.
func Serve(ctx context.Context, log *slog.Logger, l *net.UnixListener, opts Options, h Handler) error {
	return serve(ctx, log, l, opts.withDefaults(), h)
}

// listener is what is needed of a *net.UnixListener.
type listener interface {
	AcceptUnix() (*net.UnixConn, error)
	Close() error
}

func serve(ctx context.Context, log *slog.Logger, l listener, opts *Options, h Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = l.Close() // the socket is gone either way
	})
	s := &server{log: log, opts: opts, handler: h, slots: make(chan struct{}, opts.MaxConns)}
	err := s.accept(ctx, l)
	cancel()
	<-closed
	return errors.Join(err, s.wait())
}

type server struct {
	log     *slog.Logger
	opts    *Options
	handler Handler
	slots   chan struct{} // one element for each connection that is served
	refused int           // connections closed since the last one that found a slot
}

// Pauses after a failed accept, for which there is usually a lack of
// descriptors or memory.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept returns nil when ctx has ended.
func (s *server) accept(ctx context.Context, l listener) error {
	pause := firstPause
	for {
		uc, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = uc.Close() // it came too late
			}
			return nil
		case err == nil:
			pause = firstPause
			s.admit(ctx, uc)
		case passing(err):
			s.log.Warn("cannot accept a connection", "error", err, "pause", pause)
			sleep(ctx, pause)
			pause = min(2*pause, lastPause)
		default:
			return fmt.Errorf("accept connections: %w", err)
		}
	}
}

// passing reports whether err may be over soon.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// admit serves a connection, or closes it if there are too many. The log is
// told once for all that are closed in a row.
func (s *server) admit(ctx context.Context, uc *net.UnixConn) {
	select {
	case s.slots <- struct{}{}:
	default:
		_ = uc.Close() // nothing was sent
		if s.refused++; s.refused == 1 {
			s.log.Warn("too many connections: closing new ones", "limit", s.opts.MaxConns)
		}
		return
	}
	if s.refused > 0 {
		s.log.Warn("closed connections, there were too many", "closed", s.refused)
		s.refused = 0
	}
	go func() {
		defer func() { <-s.slots }()
		s.handle(ctx, uc)
	}()
}

// wait returns when all connections have ended.
func (s *server) wait() error {
	t := time.NewTimer(s.opts.Grace)
	defer t.Stop()
	for ended := range cap(s.slots) {
		select {
		case s.slots <- struct{}{}:
		case <-t.C:
			return fmt.Errorf("%d connections have not ended within %v", cap(s.slots)-ended, s.opts.Grace)
		}
	}
	return nil
}

func (s *server) handle(ctx context.Context, uc *net.UnixConn) {
	defer func() { _ = uc.Close() }() // what had to be sent was
	c, err := newConn(s.log, s.opts, uc)
	if err != nil {
		s.log.Warn("connection refused", "error", err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, c.link.stop)()
	defer s.opts.Connections.Open()()
	c.log.Debug("connected")
	level, text := verdict(s.handler.Handle(ctx, c))
	c.log.Log(ctx, level, "connection ended", "reason", text)
}

// verdict says how loudly the end of a connection is logged, and why it was.
func verdict(err error) (slog.Level, string) {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return slog.LevelDebug, "done"
	case anyOf(err, ErrStopped, ErrGone, ErrSpoke, context.Canceled, syscall.EPIPE, syscall.ECONNRESET):
		return slog.LevelDebug, err.Error()
	case anyOf(err, ErrIdle, ErrStalled, ErrUnexpected, io.ErrUnexpectedEOF, wire.ErrMalformed, wire.ErrFrameTooLong, wire.ErrEmptyFrame, wire.ErrRefused):
		return slog.LevelInfo, err.Error()
	}
	return slog.LevelWarn, err.Error()
}

func anyOf(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
