// Package server is what the sockets of all daemons have in common: how they
// are made, how many connections there may be, how long a client may keep one
// waiting, how the private command hello is answered and how errors are told.
// What the commands mean is the business of the daemon's [Handler].
//
//	Listen ── Serve ──┬── Conn ── Handler     listen.go, serve.go: one goroutine
//	                  ├── Conn ── Handler     a connection, all waited for
//	                  ┊
//	           Conn = link ⊕ wire.Reader ⊕ wire.Writer
//
//	conn.go    messages in and out, for handlers
//	hello.go   private commands: hello, and those that nobody knows
//	link.go    deadlines: what counts as progress of a client
//	watch.go   notices that the client of a stream has gone
//
// A connection, as a handler sees it:
//
//	for {
//		m, err := c.Next()              // waits up to IdleTimeout
//		if err != nil {
//			return err                  // io.EOF and a stalled client are no faults
//		}
//		…
//		err = c.Reply(m.Header, wire.ReplyEmpty{})   // or c.Fail(m.Header, err)
//	}
//
// A client gets three kinds of patience. It may be silent between messages for
// IdleTimeout. Within a message, a raw stream or a reply it must move some bytes
// every StallTimeout. And when the daemon ends, no more is read from it, and it
// has lingerTime to take what is on its way. Input that does not parse ends the
// connection without a reply, as in Albatross 2.7.
//
// The packages of the daemons (console, stats, host) import this one; it imports
// api, linux, paths, version, vm and wire.
package server
