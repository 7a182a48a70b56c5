package server

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Reasons why a connection was ended from this side.
var (
	ErrIdle    = errors.New("the client sent no message for too long")
	ErrStalled = errors.New("the client made no progress within a message")
	ErrStopped = errors.New("the daemon is stopping")
)

const (
	// minProgress is how many bytes of a message a client must send within the
	// stall timeout: less would let it hold a connection for days with a byte
	// now and then.
	minProgress = 1 << 10
	// maxPiece is how many bytes are written under one deadline.
	maxPiece = 16 << 10
	// lingerTime is how long clients may go on to receive when the daemon ends.
	lingerTime = 2 * time.Second
)

// link is a connection with deadlines. One goroutine may read while another one
// writes and others call stop.
type link struct {
	conn  *net.UnixConn
	stall time.Duration // how long a read or write may wait within a message
	idle  time.Duration // how long a read may wait for a message, ≤ 0: for ever

	// Of the reader:
	between bool          // the next byte begins a message
	budget  time.Duration // how long reads may still wait until minProgress is reached
	got     int           // bytes that came since the budget was full

	mu        sync.Mutex // guards what follows, held while a deadline is set
	stopped   bool
	lastWrite time.Time // if stopped
}

func newLink(conn *net.UnixConn, idle, stall time.Duration) *link {
	return &link{conn: conn, idle: idle, stall: stall, between: true, budget: stall}
}

// await tells that the next read waits for a new message.
func (l *link) await() { l.between = true }

// Read reads what is there. Only the time that it waits counts against the
// client, not what its caller does between reads.
func (l *link) Read(p []byte) (int, error) {
	patience, reason := l.budget, ErrStalled
	if l.between {
		patience, reason = l.idle, ErrIdle
	}
	if err := l.armRead(patience); err != nil {
		return 0, err
	}
	before := time.Now()
	n, err := l.conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = l.timeout(reason)
	}
	l.progress(n, time.Since(before))
	return n, err
}

// progress keeps the accounts of the reader.
func (l *link) progress(n int, waited time.Duration) {
	if n == 0 {
		return
	}
	l.got += n
	if l.between || l.got >= minProgress {
		l.budget, l.got = l.stall, 0
	} else {
		l.budget -= waited
	}
	l.between = false
}

// timeout says why a read or write met a deadline.
func (l *link) timeout(reason error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return ErrStopped
	}
	return reason
}

// armRead sets the deadline of the next read; a patience of 0 or less sets none
// between messages.
func (l *link) armRead(patience time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return ErrStopped
	}
	var deadline time.Time
	if patience > 0 || !l.between {
		deadline = time.Now().Add(patience)
	}
	return l.conn.SetReadDeadline(deadline)
}

// Write writes all of p. The client must take each piece of it in time.
func (l *link) Write(p []byte) (int, error) {
	written := 0
	for {
		piece := p[written:min(len(p), written+maxPiece)]
		if err := l.armWrite(); err != nil {
			return written, err
		}
		n, err := l.conn.Write(piece)
		written += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = l.timeout(ErrStalled)
		}
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

func (l *link) armWrite() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	deadline := time.Now().Add(l.stall)
	if l.stopped && deadline.After(l.lastWrite) {
		deadline = l.lastWrite
	}
	return l.conn.SetWriteDeadline(deadline)
}

// stop ends reading at once, and writing after lingerTime.
func (l *link) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	l.stopped = true
	l.lastWrite = time.Now().Add(lingerTime)
	// An error means that the connection is closed already.
	_ = l.conn.SetReadDeadline(time.Unix(1, 0))
	_ = l.conn.SetWriteDeadline(l.lastWrite)
}

// watchByte waits for a byte or the end of the connection, without deadline but
// that of wake and stop, and returns what it was. The deadline is removed before
// watchByte returns the function that waits, so a wake is never lost.
func (l *link) watchByte() (wait func() error) {
	err := l.disarm()
	return func() error {
		if err != nil {
			return err
		}
		n, err := l.conn.Read(make([]byte, 1))
		switch {
		case n > 0:
			return ErrSpoke
		case errors.Is(err, io.EOF):
			return ErrGone
		case errors.Is(err, os.ErrDeadlineExceeded):
			return l.timeout(context.Canceled)
		}
		return err
	}
}

// disarm removes the deadline of reading.
func (l *link) disarm() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return ErrStopped
	}
	return l.conn.SetReadDeadline(time.Time{})
}

// wake ends the wait of watchByte.
func (l *link) wake() {
	_ = l.conn.SetReadDeadline(time.Unix(1, 0)) // fails if it is closed, which wakes as well
}
