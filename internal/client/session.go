package client

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/request"
	"albatross/internal/version"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// maxReply is the most bytes of one reply without images: the state of many
// thousand unikernels.
const maxReply = 64 << 20

// service is a daemon, by the name of its program.
type service string

const (
	vmmd    service = "albatrossd"
	console service = "albatross-console"
	stats   service = "albatross-stats"
)

// socket returns where the daemon is expected to listen.
func (c Client) socket(s service) string {
	switch {
	case c.Socket != "":
		return c.Socket
	case s == console:
		return c.Tmp.Console()
	case s == stats:
		return c.Tmp.Stats()
	}
	return c.Tmp.VMMD()
}

// session is a connection on which one command may be sent.
type session struct {
	ctx     context.Context // of the method that opened it, which also closes it
	service service         // for messages
	conn    *steadyConn
	reader  *wire.Reader
	buffer  *bufio.Writer
	writer  *wire.Writer
	welcome *api.Welcome // nil: the daemon knows Albatross's commands only
	release func() bool
	remote  *Remote // nil: a socket; else the command makes the connection
	home    vm.Path // below which names are, on a remote host

	roundTrip time.Duration // to a remote host and back, about

	patience time.Duration // how long the daemon may make no progress
}

// open connects to a daemon and learns what it knows. The session ends with ctx
// or with close.
func (c Client) open(ctx context.Context, s service) (*session, error) {
	if c.Remote != nil {
		return c.openRemote(ctx), nil
	}
	x, err := c.connect(ctx, s)
	if err != nil || c.Plain {
		return x, err
	}
	err = x.hello(c.Program, cmp.Or(c.Request, request.New()))
	if err == nil {
		return x, nil
	}
	x.close()
	if refusal, ok := errors.AsType[*api.Error](err); ok {
		return nil, refusal
	}
	if _, old := errors.AsType[*Failure](err); old || closedByPeer(err) {
		return c.connect(ctx, s)
	}
	return nil, brokenError(ctx, s, c.patience(), err)
}

// connect opens a session without a hello.
func (c Client) connect(ctx context.Context, s service) (*session, error) {
	nc, err := dial(ctx, c.socket(s), c.patience())
	switch {
	case ctx.Err() != nil:
		if err == nil {
			_ = nc.Close()
		}
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, c.connectError(s, err)
	}
	x := newSession(ctx, s, c.patience())
	x.use(nc, nc)
	return x, nil
}

// newSession returns a session that has no connection yet.
func newSession(ctx context.Context, s service, patience time.Duration) *session {
	conn := &steadyConn{reads: patience, writes: patience}
	buffer := bufio.NewWriterSize(conn, 64<<10)
	x := &session{
		ctx:     ctx,
		service: s,
		conn:    conn,
		reader:  wire.NewReader(bufio.NewReaderSize(conn, 32<<10)),
		buffer:  buffer,
		writer:  wire.NewWriter(buffer),

		patience: patience,
	}
	x.reader.MaxFrame = maxReply
	return x
}

// use gives the session its connection, and the one below that, which ends all
// waiting when it is closed.
func (x *session) use(nc, below net.Conn) {
	x.conn.Conn = nc
	x.release = context.AfterFunc(x.ctx, func() { _ = below.Close() })
}

// dial connects. A daemon with a full queue of clients makes Linux say at once
// that it cannot take another one now, which is no reason to give up.
func dial(ctx context.Context, path string, patience time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		nc, err := d.DialContext(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return nc, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// hello introduces the client. Its errors are bare.
func (x *session) hello(program, id string) error {
	body, err := json.Marshal(api.Hello{Client: program, Version: version.Version, Request: id})
	if err != nil {
		return err
	}
	if err := x.send(vm.Name{}, wire.Private{Verb: api.VerbHello, Body: body}); err != nil {
		return err
	}
	m, err := x.reader.Next()
	if err != nil {
		return err
	}
	switch p := m.Payload.(type) {
	case wire.ReplyPrivate:
		w := new(api.Welcome)
		if err := json.Unmarshal(p.Body, w); err != nil {
			return fmt.Errorf("%w: the answer to hello: %w", wire.ErrMalformed, err)
		}
		x.welcome = w
		return nil
	case wire.Failure:
		return &Failure{p.Text}
	case wire.Problem:
		return problem(p)
	}
	return fmt.Errorf("%w: hello was answered by a %T", wire.ErrMalformed, m.Payload)
}

// knows reports whether the daemon has a verb of this project.
func (x *session) knows(verb string) bool {
	return x.welcome != nil && slices.Contains(x.welcome.Verbs, verb)
}

// ask sends the command and returns the success that answers it.
func (x *session) ask(n vm.Name, c wire.Command) (wire.Success, error) {
	if err := x.send(n, c); err != nil {
		return nil, x.refusalOr(err)
	}
	return x.answer()
}

// send sends one command.
func (x *session) send(n vm.Name, p wire.Command) error {
	if x.remote != nil {
		return x.reach(n, p, nil)
	}
	if err := x.writer.WriteMessage(message(n, p)); err != nil {
		return err
	}
	return x.buffer.Flush()
}

// message is a message as Albatross's client numbers them.
func message(n vm.Name, p wire.Payload) wire.Message {
	return wire.Message{Header: wire.Header{Name: n}, Payload: p}
}

// refusalOr looks whether the daemon that stopped listening said why: it may
// answer before all of a command has arrived. Else err is what went wrong.
func (x *session) refusalOr(err error) error {
	if x.ctx.Err() == nil && x.conn.Conn != nil && closedByPeer(err) {
		if _, refusal := x.answer(); refusal != nil && !isBroken(refusal) {
			return refusal
		}
	}
	return x.broken(err)
}

// answer reads the reply to the command.
func (x *session) answer() (wire.Success, error) {
	m, err := x.reader.Next()
	if err != nil {
		return nil, x.broken(err)
	}
	switch p := m.Payload.(type) {
	case wire.Success:
		return p, nil
	case wire.Failure:
		return nil, &Failure{p.Text}
	case wire.Problem:
		return nil, problem(p)
	}
	return nil, unexpected(x.service, m.Payload)
}

func (x *session) broken(err error) error {
	if x.remote != nil && x.ctx.Err() == nil {
		return x.remote.broken(x, err)
	}
	return brokenError(x.ctx, x.service, x.patience, err)
}

func (x *session) close() {
	if x.conn.Conn == nil {
		return
	}
	x.release()
	_ = x.conn.Close() // nothing is in its buffer that anyone still wants
}

// lacks is what cannot be asked of who knows only Albatross's own commands.
func (x *session) lacks(what string) error {
	if x.remote != nil {
		return api.Errorf(api.Unavailable, "from afar, no host can %s", what).Hinted("ask on the host itself")
	}
	return tooOld(x.service, what)
}

// problem is the error that p carries.
func problem(p wire.Problem) error {
	e := &api.Error{Code: api.Code(p.Code), Sentence: p.Sentence}
	if p.Hint != nil {
		e.Hint = *p.Hint
	}
	return e
}

// steadyConn is a connection that must make progress: each read and write may
// take so long, or for ever if that is 0.
type steadyConn struct {
	net.Conn
	reads, writes time.Duration
}

func (c *steadyConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(deadline(c.reads)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *steadyConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(deadline(c.writes)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// deadline is the end of a time that begins now, or never if it is 0.
func deadline(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
