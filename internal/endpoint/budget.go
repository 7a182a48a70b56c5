package endpoint

import (
	"errors"
	"net"
	"sync"
	"time"
)

// largeRate is how many bytes a second are enough where a connection takes some of
// the budget: its deadline is extended accordingly.
const largeRate = 128 << 10

// errBudget ends a handshake that sends more than there is room for.
var errBudget = errors.New("the certificates of clients are too large, all at a time: try again later")

// budget is how many bytes more all connections may send beyond what is free.
type budget struct {
	mu   sync.Mutex
	left int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// metered is the connection of a client that counts what it reads until the client is
// known. crypto/tls keeps certificates as long as the connection, so what was taken
// of the budget is given back at its end only. One goroutine at a time may read it
// and use its fields.
type metered struct {
	net.Conn
	budget   *budget
	free     int64     // bytes that may still be read without the budget
	taken    int64     // bytes of the budget
	deadline time.Time // of the connection
	known    bool      // reads are not counted any more
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if m.known {
		return n, err
	}
	m.free -= int64(n)
	if m.free >= 0 {
		return n, err
	}
	more := -m.free
	m.free = 0
	if !m.budget.take(more) {
		return 0, errBudget
	}
	m.taken += more
	m.deadline = m.deadline.Add(time.Duration(more) * time.Second / largeRate)
	return n, errors.Join(err, m.SetDeadline(m.deadline))
}

// release gives back what was taken.
func (m *metered) release() {
	m.budget.give(m.taken)
	m.taken = 0
}
