package console

import (
	"context"
	"encoding/json"
	"os"

	"albatross/internal/api"
	"albatross/internal/server"
	"albatross/internal/wire"
)

// Sentences that Albatross's clients get.
const (
	textSubscribed = "subscribed"
	textWaiting    = "waiting for VM"
	textPath       = "path used instead of name"
	textName       = "name used"
)

// Handle serves one client: a daemon that adds consoles, one after the other; a
// subscriber; or one who asks for inactive consoles. A command of another socket
// closes the connection.
func (d *Daemon) Handle(ctx context.Context, c *server.Conn) error {
	for {
		m, err := c.Next()
		if err != nil {
			return err
		}
		switch command := m.Payload.(type) {
		case wire.ConsoleAdd:
			if m.Name.IsPath() {
				return c.Fail(m.Header, api.Errorf(api.Invalid, textPath))
			}
			if err := d.handleAdd(c, m.Header, command); err != nil {
				return err
			}
		case wire.ConsoleSubscribe:
			if m.Name.IsPath() {
				return c.Fail(m.Header, api.Errorf(api.Invalid, textPath))
			}
			return d.handleSubscribe(ctx, c, m.Header, command)
		case wire.ConsoleListInactive:
			if !m.Name.IsPath() {
				return c.Fail(m.Header, api.Errorf(api.Invalid, textName))
			}
			return c.Reply(m.Header, wire.ReplyConsoles{Names: d.inactive(m.Name.Path())})
		case wire.Private: // a verb that the server passes on
			if command.Verb == api.VerbConsoles {
				return d.handleConsoles(ctx, c, m.Header, command.Body)
			}
			return d.handleHistory(ctx, c, m.Header, command.Body)
		default:
			return errForeign(m)
		}
	}
}

// handleAdd answers an add. Only albatrossd has FIFOs to tell of; who else could
// add would make room for it by having other consoles go.
func (d *Daemon) handleAdd(c *server.Conn, h wire.Header, add wire.ConsoleAdd) error {
	if uid := c.Peer().UID; uid != 0 && uid != os.Geteuid() {
		return c.Fail(h, api.Errorf(api.Denied, "only albatrossd may add consoles"))
	}
	if err := d.add(h.Name, add.Unikernels); err != nil {
		return c.Fail(h, err)
	}
	c.Log().Debug("console added", "unikernel", h.Name, "allowed", add.Unikernels)
	c.SetIdleTimeout(0) // it may be long until the next unikernel is created
	return c.Reply(h, wire.ReplyEmpty{})
}

// handleHistory answers with lines that were written before, and their end.
func (d *Daemon) handleHistory(ctx context.Context, c *server.Conn, h wire.Header, body []byte) error {
	var want api.Wanted
	if err := json.Unmarshal(body, &want); err != nil {
		return c.Fail(h, api.Errorf(api.Invalid, "the body of the verb %s: %w", api.VerbHistory, err))
	}
	if h.Name.IsPath() {
		return c.Fail(h, api.Errorf(api.Invalid, textPath))
	}
	leave, err := d.enter(false)
	if err != nil {
		return c.Fail(h, err)
	}
	defer leave()
	var end api.History
	if f := d.feed(h.Name); f != nil {
		t := newTeller(c, h.Name)
		p := f.past(h.Name, wire.ConsoleSubscribe{Since: want.Since, Count: want.Count}, t.plain, oneChunk)
		p.seek(ctx)
		if err := c.Send(t.messages(p.lines(ctx))); err != nil {
			return err
		}
		end = api.History{Known: true, Lost: p.missing}
	}
	return replyJSON(c, h, end)
}

// replyJSON answers a private command.
func replyJSON(c *server.Conn, h wire.Header, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Reply(h, wire.ReplyPrivate{Body: b})
}

// handleSubscribe answers, then streams: history first, then all new lines.
func (d *Daemon) handleSubscribe(ctx context.Context, c *server.Conn, h wire.Header, want wire.ConsoleSubscribe) error {
	exit, err := d.enter(false)
	if err != nil {
		return c.Fail(h, err)
	}
	defer exit()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := newSingle(func() { cancel(errGivesWay) })
	feed, known, leave := d.subscribe(h.Name, s)
	defer leave()
	t := newTeller(c, h.Name)
	p := feed.past(h.Name, want, t.plain, oneChunk) // before the client knows, who may have more written then
	ctx, stop := c.Watch(ctx)
	defer stop()
	defer context.AfterFunc(ctx, c.Stop)() // also where the client is waited for
	text := textWaiting
	if known {
		text = textSubscribed
	}
	if err := c.Reply(h, wire.ReplyText{Text: text}); err != nil {
		return err
	}
	p.seek(ctx)
	err = stream(ctx, c, t, p, s)
	if context.Cause(ctx) == errGivesWay {
		c.Log().Info("subscriber gives way", "unikernel", h.Name)
		return nil
	}
	return err
}
