package host

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Patience with the console daemon: a unikernel starts without it if need be.
const (
	consoleTime  = time.Second            // for an answer
	consoleRetry = 100 * time.Millisecond // between attempts to connect
)

// Rings of ended unikernels that the console daemon may keep beside those that
// run, where no policy says how many unikernels there may be.
const (
	rootRings = 1<<62 - 1
	pathRings = 1024
)

// consoleLink tells the console daemon which FIFOs to read. When the connection
// breaks it is made anew and all of them are told again.
type consoleLink struct {
	h    *Host
	path string
	done chan struct{}

	served atomic.Bool // there was a connection

	sending sync.Mutex // held while a message is written

	mu       sync.Mutex
	names    map[vm.Name]bool   // guarded by mu; of consoles that exist
	told     map[vm.Name]bool   // guarded by mu; that the daemon of this connection has answered for
	conn     net.Conn           // guarded by mu; nil while there is none
	sequence int64              // guarded by mu
	pending  map[int64]question // guarded by mu
}

// question is a console add that is not answered yet.
type question struct {
	name     vm.Name
	answered chan struct{} // closed by the answer
}

func newConsoleLink(h *Host, path string) *consoleLink {
	l := &consoleLink{h: h, path: path, done: make(chan struct{}), names: map[vm.Name]bool{}}
	go l.run()
	return l
}

// close ends the connection. The host's context has ended.
func (l *consoleLink) close() {
	l.mu.Lock()
	if l.conn != nil {
		_ = l.conn.Close()
	}
	l.mu.Unlock()
	<-l.done
}

// add has the console of n read, and returns how to wait, for a little, until it
// is.
func (l *consoleLink) add(ctx context.Context, n vm.Name) (wait func()) {
	l.mu.Lock()
	l.names[n] = true
	delete(l.told, n) // that was of an earlier FIFO
	conn := l.conn
	l.mu.Unlock()
	if conn == nil {
		return func() {} // run tells all names once it is connected
	}
	answered := l.tell(conn, n)
	return func() {
		timer := time.NewTimer(consoleTime)
		defer timer.Stop()
		select {
		case <-answered:
		case <-timer.C:
			l.h.log.WarnContext(ctx, "albatross-console does not answer", "unikernel", n)
		case <-ctx.Done():
		}
	}
}

// away reports whether there is a console daemon that does not read the console
// of n now, but will.
func (l *consoleLink) away(n vm.Name) bool {
	l.mu.Lock()
	reads := l.conn != nil && l.told[n]
	l.mu.Unlock()
	if reads {
		return false
	}
	_, err := os.Lstat(l.path) // without its socket there never was one
	return err == nil || l.served.Load()
}

// await returns once the console daemon reads the console of n, or ctx ends.
func (l *consoleLink) await(ctx context.Context, n vm.Name) error {
	for {
		l.mu.Lock()
		l.names[n] = true
		conn := l.conn
		l.mu.Unlock()
		if conn != nil {
			select {
			case <-l.tell(conn, n):
			case <-ctx.Done():
				return ctx.Err()
			}
			l.mu.Lock()
			answered := l.conn == conn
			l.mu.Unlock()
			if answered {
				return nil
			}
		}
		select {
		case <-time.After(consoleRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// remove forgets a console whose FIFO is gone. The console daemon sees the end
// of the FIFO by itself.
func (l *consoleLink) remove(n vm.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.names, n)
	delete(l.told, n)
}

// tell sends one console add and returns what is closed once it is answered or
// the connection is gone.
func (l *consoleLink) tell(conn net.Conn, n vm.Name) <-chan struct{} {
	answered := make(chan struct{})
	rings := l.h.rings(n)
	l.mu.Lock()
	if l.conn != conn {
		l.mu.Unlock()
		close(answered)
		return answered
	}
	l.sequence++
	m := wire.Message{Header: wire.Header{Sequence: l.sequence, Name: n}, Payload: wire.ConsoleAdd{Unikernels: rings}}
	l.pending[l.sequence] = question{n, answered}
	l.mu.Unlock()

	l.sending.Lock()
	defer l.sending.Unlock()
	err := conn.SetWriteDeadline(time.Now().Add(consoleTime))
	if err == nil {
		err = wire.NewWriter(conn).WriteMessage(m)
	}
	if err != nil {
		_ = conn.Close() // run notices and connects again
	}
	return answered
}

// rings returns how many consoles may be kept in the path of n: as many as its
// policy allows unikernels.
func (h *Host) rings(n vm.Name) int {
	if n.Path().IsRoot() {
		return rootRings
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if limit := h.tree.UnikernelLimit(n.Path()); limit > 0 {
		return limit
	}
	return pathRings
}

// run keeps a connection until the host's context ends.
func (l *consoleLink) run() {
	defer close(l.done)
	var d net.Dialer
	for {
		conn, err := d.DialContext(l.h.ctx, "unix", l.path)
		if err == nil {
			l.serve(conn)
		}
		select {
		case <-l.h.ctx.Done():
			return
		case <-time.After(consoleRetry):
		}
	}
}

// serve tells all names and takes answers until the connection ends.
func (l *consoleLink) serve(conn net.Conn) {
	l.mu.Lock()
	if l.h.ctx.Err() != nil {
		l.mu.Unlock()
		_ = conn.Close()
		return
	}
	l.conn, l.pending, l.told = conn, map[int64]question{}, map[vm.Name]bool{}
	l.served.Store(true)
	names := make([]vm.Name, 0, len(l.names))
	for n := range l.names {
		names = append(names, n)
	}
	l.mu.Unlock()

	var telling sync.WaitGroup
	telling.Go(func() {
		for _, n := range names {
			l.tell(conn, n)
		}
	})
	r := wire.NewReader(conn)
	for {
		m, err := r.Next()
		if err != nil {
			break
		}
		if f, ok := m.Payload.(wire.Failure); ok {
			l.h.log.Warn("albatross-console refuses a console", "unikernel", m.Name, "reason", f.Text)
		}
		l.mu.Lock()
		if q, ok := l.pending[m.Sequence]; ok {
			delete(l.pending, m.Sequence)
			l.told[q.name] = true
			close(q.answered)
		}
		l.mu.Unlock()
	}
	_ = conn.Close()
	telling.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = nil
	for _, q := range l.pending {
		close(q.answered)
	}
	l.pending = nil
}
