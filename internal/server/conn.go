package server

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/wire"
)

// Conn is the connection of one client. Its methods must not be called by two
// goroutines at once, except that one may read while another one writes.
type Conn struct {
	about  *slog.Logger // tells of the client
	log    *slog.Logger // and of its request
	opts   *Options
	link   *link
	peer   linux.Peer
	reader *wire.Reader
	writer *wire.Writer

	begun   bool   // a first message came
	hello   bool   // it was a hello: failures go out as problems
	request string // how this request is called
}

func newConn(log *slog.Logger, opts *Options, uc *net.UnixConn) (*Conn, error) {
	peer, err := linux.PeerCred(uc)
	if err != nil {
		return nil, err
	}
	l := newLink(uc, opts.IdleTimeout, opts.StallTimeout)
	log = log.With("uid", peer.UID, "pid", peer.PID)
	return &Conn{
		about:  log,
		log:    log,
		opts:   opts,
		link:   l,
		peer:   peer,
		reader: wire.NewReader(l),
		writer: wire.NewWriter(l),
	}, nil
}

// Peer returns who the client is, as the kernel says.
func (c *Conn) Peer() linux.Peer { return c.peer }

// Log returns the log of this connection: its records tell user and process of
// the client, and the request. Contexts that know the request say it twice.
func (c *Conn) Log() *slog.Logger { return c.log }

// Request returns how this request is called: what the client says in its hello,
// or Name, or "".
func (c *Conn) Request() string { return c.request }

// Name says how this request is called from now on, whatever the client said, and
// adds attributes to the log.
func (c *Conn) Name(request string, attributes ...any) {
	c.about = c.about.With(attributes...)
	c.request, c.log = request, c.about
	if request != "" {
		c.log = c.about.With("request", request)
	}
}

// Greeted reports whether the client said hello: it knows problems and verbs.
func (c *Conn) Greeted() bool { return c.hello }

// Reader returns the reader below Next: for its limits and Sink, which a handler
// sets before it calls Next, and for raw frames.
func (c *Conn) Reader() *wire.Reader { return c.reader }

// Writer returns the writer below Reply: for streamed octets and raw frames.
func (c *Conn) Writer() *wire.Writer { return c.writer }

// SetIdleTimeout sets how long the client may be silent between messages from
// now on; 0 or less: for ever.
func (c *Conn) SetIdleTimeout(d time.Duration) { c.link.idle = d }

// Stop ends reading: a Next that waits, in another goroutine, returns ErrStopped,
// as do all after it. What is being written may still go out for a moment.
func (c *Conn) Stop() { c.link.stop() }

// Next returns the next message. A hello, and private commands that the daemon
// does not know, are answered and not returned. Errors are those of
// [wire.Reader.Next], [ErrIdle], [ErrStalled] and [ErrStopped]; io.EOF is the
// orderly end. After a [wire.RefusedError] the handler may answer and go on,
// after any other error it returns.
func (c *Conn) Next() (wire.Message, error) {
	for {
		if err := c.reader.Skip(); err != nil {
			return wire.Message{}, err
		}
		c.link.await()
		m, err := c.reader.Next()
		if err != nil {
			return m, err
		}
		first := !c.begun
		c.begun = true
		p, ok := m.Payload.(wire.Private)
		if !ok || c.opts.knows(p.Verb) {
			return m, nil
		}
		if err := c.private(m.Header, p, first); err != nil {
			return wire.Message{}, err
		}
	}
}

// Reply answers the command with header h by payload p.
func (c *Conn) Reply(h wire.Header, p wire.Payload) error {
	return c.writer.WriteMessage(wire.Message{Header: h, Payload: p})
}

// Fail answers the command with header h by what [api.AsError] makes of err: as
// a problem for a client that said hello, else as a plain sentence. The cause is
// logged, not sent. If the command was a [wire.RefusedError], its rest is read
// afterwards, so that a client that sends all of it before it reads gets the
// answer, and not a broken connection.
func (c *Conn) Fail(h wire.Header, err error) error {
	e := api.AsError(err)
	c.logFailure(h, e)
	if e.Code == api.Internal && e.Hint == "" && c.request != "" {
		e = &api.Error{Code: e.Code, Sentence: e.Sentence, Err: e.Err}
		e = e.Hinted("the log of %s on its host may say more: look for request=%s", c.opts.Daemon, c.request)
	}
	if err := c.Reply(h, c.failure(e)); err != nil {
		return err
	}
	return c.reader.Skip()
}

// logFailure logs an error, and its cause where the sentence does not say it. That
// something is refused is what clients get for what they ask; a fault of the daemon
// or its host is that of nobody who asks.
func (c *Conn) logFailure(h wire.Header, e *api.Error) {
	level, message := slog.LevelInfo, "refused"
	if e.Code == api.Internal {
		level, message = slog.LevelError, "failed"
	}
	attributes := []any{"name", h.Name, "code", e.Code, "reason", e.Sentence}
	if e.Err != nil && !strings.Contains(e.Sentence, strings.ReplaceAll(e.Err.Error(), "\n", "; ")) {
		attributes = append(attributes, "error", e.Err)
	}
	c.log.Log(context.Background(), level, message, attributes...)
}

func (c *Conn) failure(e *api.Error) wire.Payload {
	if !c.hello {
		return wire.Failure{Text: e.Sentence}
	}
	p := wire.Problem{Code: string(e.Code), Sentence: e.Sentence}
	if e.Hint != "" {
		p.Hint = &e.Hint
	}
	return p
}

// Write passes bytes on to the client as they are.
func (c *Conn) Write(p []byte) (int, error) { return c.link.Write(p) }

// sendSize is how many bytes Send collects before it writes.
const sendSize = 16 << 10

// Send writes messages, many at a time.
func (c *Conn) Send(messages iter.Seq[wire.Message]) error {
	var b []byte
	for m := range messages {
		var err error
		if b, err = wire.AppendFrame(b, m); err != nil {
			return err
		}
		if len(b) < sendSize {
			continue
		}
		if _, err := c.link.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	if len(b) == 0 {
		return nil
	}
	_, err := c.link.Write(b)
	return err
}
