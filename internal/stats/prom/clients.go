package prom

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// impatient returns a writer to a client that ends its connection if it takes
// nothing for a while, or not all in time: others wait for its turn.
func (e *Exporter) impatient(w http.ResponseWriter) io.Writer {
	stall := e.stall
	if stall == 0 {
		stall = stallTime
	}
	return &impatient{w, http.NewResponseController(w), stall, time.Now().Add(pageTime)}
}

type impatient struct {
	io.Writer
	control *http.ResponseController
	stall   time.Duration
	end     time.Time
}

// Write sets a deadline and writes.
func (w *impatient) Write(p []byte) (int, error) {
	deadline := time.Now().Add(w.stall)
	if deadline.After(w.end) {
		deadline = w.end
	}
	if err := w.control.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return w.Writer.Write(p)
}

// limit returns a listener with at most so many connections at a time. Others are
// closed: descriptors are for unikernels.
func limit(l net.Listener, connections int) net.Listener {
	return &limited{l, make(chan struct{}, connections)}
}

type limited struct {
	net.Listener
	slots chan struct{} // an element for each connection
}

// Accept waits for a connection that there is a slot for.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &counted{Conn: c, slots: l.slots}, nil
		default:
			_ = c.Close() // nothing was sent
		}
	}
}

// counted is a connection that has a slot.
type counted struct {
	net.Conn
	once  sync.Once
	slots chan struct{}
}

// Close gives the slot back.
func (c *counted) Close() error {
	defer c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}
