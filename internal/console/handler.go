package console

import (
	"context"
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
	c.Log().Debug("console added", "name", h.Name, "unikernels", add.Unikernels)
	c.SetIdleTimeout(0) // it may be long until the next unikernel is created
	return c.Reply(h, wire.ReplyEmpty{})
}

// handleSubscribe answers, then streams: history first, then all new lines.
func (d *Daemon) handleSubscribe(ctx context.Context, c *server.Conn, h wire.Header, want wire.ConsoleSubscribe) error {
	feed, subscriber, known, leave := d.subscribe(h.Name, want)
	defer leave()
	ctx, stop := c.Watch(ctx)
	defer stop()
	text := textWaiting
	if known {
		text = textSubscribed
	}
	if err := c.Reply(h, wire.ReplyText{Text: text}); err != nil {
		return err
	}
	return stream(ctx, c, h.Name, feed, subscriber)
}
