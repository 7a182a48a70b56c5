package stats

import (
	"context"
	"slices"

	"albatross/internal/server"
	"albatross/internal/wire"
)

// Handle serves one client: one who adds and removes, or a subscriber. A command
// of another socket is refused and ends the connection, as in Albatross.
func (d *Daemon) Handle(ctx context.Context, c *server.Conn) error {
	for {
		m, err := c.Next()
		if err != nil {
			return err
		}
		switch command := m.Payload.(type) {
		case wire.StatsSubscribe:
			return d.handleSubscribe(ctx, c, m.Header)
		case wire.Private: // the server has refused all verbs but this
			return d.handleWatch(ctx, c, m.Header, command.Body)
		}
		text, err := d.command(m)
		if err != nil {
			return c.Fail(m.Header, err)
		}
		if err := c.Reply(m.Header, wire.ReplyText{Text: text}); err != nil {
			return err
		}
	}
}

// handleSubscribe answers, then streams samples until the client goes or has to
// give way.
func (d *Daemon) handleSubscribe(ctx context.Context, c *server.Conn, h wire.Header) error {
	s := d.subscribe(h.Name)
	defer d.unsubscribe(s)
	return d.stream(ctx, c, h, s, wire.ReplyText{Text: textSubscribed})
}

// stream answers, then sends what the subscriber is offered.
func (d *Daemon) stream(ctx context.Context, c *server.Conn, h wire.Header, s *subscriber, answer wire.Success) error {
	ctx, stop := c.Watch(ctx)
	defer stop()
	if err := c.Reply(h, answer); err != nil {
		return err
	}
	for {
		select {
		case batch := <-s.batches:
			if err := c.Send(slices.Values(batch)); err != nil {
				return err
			}
		case <-s.ended:
			c.Log().Info("subscriber gives way", "name", h.Name)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
