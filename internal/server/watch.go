package server

import (
	"context"
	"errors"
)

// Reasons why a watched client's stream ends; see [Conn.Watch].
var (
	ErrGone  = errors.New("the client has gone")
	ErrSpoke = errors.New("the client sent something while it was streamed to")
)

// Watch is for handlers that only write from now on: the context it returns
// ends as soon as the client closes the connection or its sending half, sends
// anything (which ends a stream in Albatross), or when ctx ends. Its cause tells
// which. The handler must not read meanwhile, and calls stop before it returns;
// stop waits for the goroutine that watches.
func (c *Conn) Watch(ctx context.Context) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	wait := c.link.watchByte()
	done := make(chan struct{})
	go func() {
		defer close(done)
		cancel(wait())
	}()
	return watched, func() {
		c.link.wake()
		<-done
	}
}
