package console

import (
	"context"
	"fmt"
	"iter"
	"time"

	"albatross/internal/console/lines"
	"albatross/internal/server"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// stream sends the lines of f to a subscriber until ctx ends, or it has to give
// way, or it cannot be sent to.
func stream(ctx context.Context, c *server.Conn, name vm.Name, f *feed, s *subscriber) error {
	spare := s.queue.NewSpare()
	for {
		lost, taken := f.take(s, spare)
		if taken.Len() > 0 {
			if err := c.Send(messages(name, lost, taken)); err != nil {
				return err
			}
		}
		spare = taken
		select {
		case <-s.ready:
		case <-s.ended:
			c.Log().Info("subscriber gives way", "console", name)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// messages returns what tells a subscriber of lines, and of those that were lost
// before them. A stream has the full name, and 0 for the sequence.
func messages(name vm.Name, lost int, batch *lines.Ring) iter.Seq[wire.Message] {
	message := func(t time.Time, text string) wire.Message {
		return wire.Message{Header: wire.Header{Name: name}, Payload: wire.ConsoleData{Time: t, Line: text}}
	}
	return func(yield func(wire.Message) bool) {
		for line := range batch.All() {
			if lost > 0 && !yield(message(line.Time, fmt.Sprintf("[%d lines dropped]", lost))) {
				return
			}
			lost = 0
			if !yield(message(line.Time, string(line.Text))) {
				return
			}
		}
	}
}
