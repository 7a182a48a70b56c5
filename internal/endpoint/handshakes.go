package endpoint

import (
	"container/list"
	"net"
	"sync"
)

// handshakes are the connections whose client is not known yet. There are at most
// limit: a further one ends the oldest. Who completes the handshake without delay
// is not the oldest, however many others stand still.
type handshakes struct {
	limit int

	mu    sync.Mutex // guards what follows
	order list.List  // of *handshake, oldest first
}

// handshake is one of them.
type handshake struct {
	conn net.Conn
	at   *list.Element // nil: not in flight any more
}

// begin counts a connection, and ends the oldest if there are too many.
func (h *handshakes) begin(c net.Conn) *handshake {
	h.mu.Lock()
	var oldest *handshake
	if h.order.Len() >= h.limit {
		oldest = h.oldest()
	}
	one := &handshake{conn: c}
	one.at = h.order.PushBack(one)
	h.mu.Unlock()
	if oldest != nil {
		reset(oldest.conn)
	}
	return one
}

// evict ends the oldest handshake, and reports whether there was one.
func (h *handshakes) evict() bool {
	h.mu.Lock()
	oldest := h.oldest()
	h.mu.Unlock()
	if oldest == nil {
		return false
	}
	reset(oldest.conn)
	return true
}

// oldest takes the oldest out.
func (h *handshakes) oldest() *handshake {
	first := h.order.Front()
	if first == nil {
		return nil
	}
	one := first.Value.(*handshake)
	h.order.Remove(first)
	one.at = nil
	return one
}

// done takes a handshake out. It reports false if it was ended for a newer one.
func (h *handshakes) done(one *handshake) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if one.at == nil {
		return false
	}
	h.order.Remove(one.at)
	one.at = nil
	return true
}

// reset closes a connection at once: nothing is kept in the kernel for a client that
// did not prove who it is.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails if it is closed already
	}
	_ = c.Close() // as does this
}
