package endpoint

import (
	"container/list"
	"errors"
	"net"
	"sync"
	"time"
)

// largeRate is how many bytes a second are enough where a connection takes some of
// the budget: each so many that came extend its deadline.
const largeRate = 128 << 10

// errBudget ends a handshake that sends more than there is room for.
var errBudget = errors.New("the certificates of clients are too large, all at a time: try again later")

// budget is how many bytes more all connections may send beyond what is free. Where
// it is used up, who came first ends for who came later, as with handshakes: anyone
// can send much and then stand still. Clients that are known are never ended.
type budget struct {
	mu      sync.Mutex // guards what follows, and what metered says it guards
	left    int64
	holders list.List // of *metered that hold some and are not known, oldest first
}

// take has m hold n bytes more. Older holders are ended if that makes enough room. It
// reports false if m has to end: there is no room, or it was ended itself.
func (b *budget) take(m *metered, n int64) bool {
	b.mu.Lock()
	ended, ok := b.room(m, n)
	if ok {
		b.left -= n
		m.taken += n
		if m.at == nil {
			m.at = b.holders.PushBack(m)
		}
	}
	b.mu.Unlock()
	for _, old := range ended {
		reset(old.Conn)
	}
	return ok
}

// room makes room for n bytes of m, and returns whose connections must be closed for
// it. Nobody is ended in vain.
func (b *budget) room(m *metered, n int64) (ended []*metered, ok bool) {
	if m.ended {
		return nil, false
	}
	free := b.left
	for e := b.holders.Front(); free < n; e = e.Next() {
		if e == nil || e == m.at {
			return nil, false // the oldest of all is m itself
		}
		old := e.Value.(*metered)
		free += old.taken
		ended = append(ended, old)
	}
	for _, old := range ended {
		old.ended = true
		b.forget(old)
	}
	return ended, true
}

// forget takes back what m holds.
func (b *budget) forget(m *metered) {
	b.left += m.taken
	m.taken = 0
	b.keep(m)
}

// keep takes m out of those that end for others.
func (b *budget) keep(m *metered) {
	if m.at != nil {
		b.holders.Remove(m.at)
		m.at = nil
	}
}

// metered is the connection of a client that counts what it reads until the client is
// known. crypto/tls keeps certificates as long as the connection, so what was taken
// of the budget is given back at its end only. One goroutine at a time may read it
// and use its fields.
type metered struct {
	net.Conn
	budget   *budget
	free     int64         // bytes that may still be read without the budget
	timeout  time.Duration // how far ahead the deadline may be
	start    time.Time     // the deadline without what was taken
	extended int64         // pieces of largeRate bytes that have extended it
	known    bool          // reads are not counted any more

	taken int64         // bytes of the budget; guarded by its mu
	at    *list.Element // among its holders; guarded by its mu
	ended bool          // for a newer one; guarded by its mu
}

// meter counts what is read from c, which must complete its handshake in time.
func (b *budget) meter(c net.Conn, l Limits) (*metered, error) {
	m := &metered{Conn: c, budget: b, free: l.FreeBytes, timeout: l.HandshakeTimeout, start: time.Now().Add(l.HandshakeTimeout)}
	return m, c.SetDeadline(m.start)
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if m.known {
		return n, err
	}
	m.free -= int64(n)
	if more := -m.free; more > 0 {
		m.free = 0
		if !m.budget.take(m, more) {
			return 0, errBudget
		}
		err = errors.Join(err, m.extend())
	}
	if err != nil && m.wasEnded() {
		return 0, errBudget
	}
	return n, err
}

// extend sets the deadline anew for each piece that has come.
func (m *metered) extend() error {
	pieces := m.held() / largeRate
	if pieces <= m.extended {
		return nil
	}
	m.extended = pieces
	return m.SetDeadline(deadline(m.start, pieces, time.Now().Add(m.timeout)))
}

// deadline returns until when a connection may last from which so many pieces came:
// a second for each, but never later than latest. What is sent fast thus buys no
// time to stand still.
func deadline(start time.Time, pieces int64, latest time.Time) time.Time {
	if by := start.Add(time.Duration(pieces) * time.Second); by.Before(latest) {
		return by
	}
	return latest
}

// held returns what was taken.
func (m *metered) held() int64 {
	m.budget.mu.Lock()
	defer m.budget.mu.Unlock()
	return m.taken
}

// wasEnded reports whether a newer connection took the place of this one.
func (m *metered) wasEnded() bool {
	m.budget.mu.Lock()
	defer m.budget.mu.Unlock()
	return m.ended
}

// know ends the counting: from now on it ends for nobody. It reports false if it has
// been ended already.
func (m *metered) know() bool {
	m.budget.mu.Lock()
	defer m.budget.mu.Unlock()
	m.budget.keep(m)
	m.known = true
	return !m.ended
}

// release gives back what was taken.
func (m *metered) release() {
	m.budget.mu.Lock()
	defer m.budget.mu.Unlock()
	m.budget.forget(m)
}
