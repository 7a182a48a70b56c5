package vmmd

import (
	"errors"

	"albatross/internal/host"
	"albatross/internal/wire"
)

// stats serves the statistics daemon: it is told of every process that runs, and
// answers each time. The connection lasts until it ends it.
func (x *exchange) stats(m wire.Message) (wire.Payload, error) {
	return nil, x.tellChanges(m.Header, wire.ReplyEmpty{}, func(h wire.Header, c host.Change) error {
		return x.conn.Reply(h, statsCommand(c))
	})
}

// tellChanges answers, and then tells of what runs and of all changes, until the
// client ends the connection.
func (x *exchange) tellChanges(h wire.Header, answer wire.Payload, tell func(wire.Header, host.Change) error) error {
	watch := x.host.Watch()
	defer watch.Close()
	if err := x.conn.Reply(h, answer); err != nil {
		return &brokenError{err}
	}
	x.conn.SetIdleTimeout(-1)
	gone := make(chan struct{})
	answers := make(chan error, 1)
	go x.readAnswers(answers, gone)
	defer func() {
		x.conn.Stop()
		<-gone
	}()
	for {
		for _, c := range watch.Take() {
			h.Sequence++
			h.Name = c.Name
			if err := tell(h, c); err != nil {
				return &brokenError{err}
			}
		}
		select {
		case <-watch.Ready():
		case err := <-answers:
			return &brokenError{err}
		case <-x.ctx.Done():
			return &brokenError{x.ctx.Err()}
		}
	}
}

// readAnswers reads what the statistics daemon answers until it is gone. A
// failure there is its own: it is logged and nothing else.
func (x *exchange) readAnswers(answers chan<- error, gone chan<- struct{}) {
	defer close(gone)
	for {
		m, err := x.conn.Next()
		if err != nil {
			answers <- err
			return
		}
		switch p := m.Payload.(type) {
		case wire.Success:
		case wire.Failure:
			x.conn.Log().Warn("statistics refused", "unikernel", m.Name, "error", p.Text)
		case wire.Problem:
			x.conn.Log().Warn("statistics refused", "unikernel", m.Name, "error", p.Sentence)
		default:
			answers <- errors.New("the statistics daemon sent something that is no answer")
			return
		}
	}
}

func statsCommand(c host.Change) wire.Command {
	if !c.Runs {
		return wire.StatsRemove{}
	}
	add := wire.StatsAdd{PID: c.PID}
	for _, t := range c.Taps {
		add.Taps = append(add.Taps, wire.Tap{Interface: t.Interface, Tap: t.Tap})
	}
	return add
}
