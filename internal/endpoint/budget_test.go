package endpoint

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"albatross/internal/testutil"

	"pgregory.net/rapid"
)

// endless is a connection that is always full.
type endless struct{ net.Conn }

func (endless) Read(p []byte) (int, error)    { return len(p), nil }
func (endless) SetDeadline(_ time.Time) error { return nil }

// endable is one that tells whether it was closed, and its deadline.
type endable struct {
	endless
	closed   bool
	deadline time.Time
}

func (e *endable) Close() error {
	e.closed = true
	return nil
}

func (e *endable) SetDeadline(d time.Time) error {
	e.deadline = d
	return nil
}

// TestMeteredCounts has the budget come out whole, whatever is read.
func TestMeteredCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(0, 300).Draw(t, "budget")
		free := rapid.Int64Range(0, 100).Draw(t, "free")
		b := &budget{left: total}
		m := &metered{Conn: endless{}, budget: b, free: free}
		var read int64
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 50)).Draw(t, "reads") {
			got, err := m.Read(make([]byte, n))
			if fits := read+int64(n) <= free+total; fits != (err == nil) {
				t.Fatalf("after %d bytes, %d more: %v", read, n, err)
			}
			if err != nil {
				break
			}
			read += int64(got)
			if want := total - max(0, read-free); b.left != want {
				t.Fatalf("after %d bytes %d are left, want %d", read, b.left, want)
			}
		}
		m.release()
		if b.left != total {
			t.Fatalf("%d of %d left", b.left, total)
		}
	})
}

// TestBudgetOfMany compares a budget with a model, in which holders are a list.
func TestBudgetOfMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const total = 100
		b := &budget{left: total}
		all := make([]*metered, 6)
		held := map[*metered]int64{} // model
		var order []*metered         // model: who may be ended, oldest first
		gone := map[*metered]bool{}  // model: who was ended
		drop := func(m *metered) {
			for i, o := range order {
				if o == m {
					order = append(order[:i:i], order[i+1:]...)
					return
				}
			}
		}
		for i := range all {
			all[i] = &metered{Conn: &endable{}, budget: b}
		}
		left := func() int64 {
			n := int64(total)
			for _, h := range held {
				n -= h
			}
			return n
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "who")
			m := all[i]
			switch rapid.SampledFrom([]string{"take", "take", "take", "know", "release"}).Draw(t, "what") {
			case "take":
				if m.known {
					continue // is not counted any more
				}
				n := rapid.Int64Range(1, 60).Draw(t, "n")
				free, older := left(), 0
				for older < len(order) && order[older] != m && free < n {
					free += held[order[older]]
					older++
				}
				want := !gone[m] && free >= n
				if got := b.take(m, n); got != want {
					t.Fatalf("%d takes %d: %v", i, n, got)
				}
				if !want {
					continue
				}
				for _, o := range order[:older:older] {
					gone[o] = true
					delete(held, o)
				}
				if order = order[older:]; held[m] == 0 {
					order = append(order[:len(order):len(order)], m)
				}
				held[m] += n
			case "know":
				if got := m.know(); got == gone[m] {
					t.Fatalf("%d is known: %v", i, got)
				}
				drop(m)
			case "release":
				m.release()
				drop(m)
				delete(held, m)
				all[i] = &metered{Conn: &endable{}, budget: b}
			}
			if b.left != left() || b.holders.Len() != len(order) {
				t.Fatalf("%d left, %d may be ended; want %d, %d", b.left, b.holders.Len(), left(), len(order))
			}
			for i, m := range all {
				if closed := m.Conn.(*endable).closed; closed != gone[m] {
					t.Fatalf("%d is closed: %v", i, closed)
				}
			}
		}
	})
}

// TestDeadlineNeedsProgress lets nobody buy time by sending fast.
func TestDeadlineNeedsProgress(t *testing.T) {
	at := time.Unix(1000, 0)
	for what, tt := range map[string]struct {
		pieces int64
		latest time.Duration
		want   time.Duration
	}{
		"a second for each":    {3, 10 * time.Second, 3 * time.Second},
		"not beyond the limit": {128, 10 * time.Second, 10 * time.Second},
		"and that moves on":    {128, 100 * time.Second, 100 * time.Second},
		"but not for ever":     {128, time.Hour, 128 * time.Second},
	} {
		if got := deadline(at, tt.pieces, at.Add(tt.latest)).Sub(at); got != tt.want {
			t.Errorf("%s: %v, want %v", what, got, tt.want)
		}
	}
	l := DefaultLimits()
	b, c := &budget{left: l.LargeBytes}, &endable{}
	m := must(b.meter(c, l))(t)
	defer m.release()
	first := c.deadline
	read := func(n int) {
		t.Helper()
		if _, err := m.Read(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	read(int(l.FreeBytes))
	read(largeRate - 1)
	if c.deadline != first {
		t.Error("less than a piece extends the deadline")
	}
	read(1)
	if c.deadline.Before(first) {
		t.Error("a piece brings the deadline nearer")
	}
	second := c.deadline
	read(16<<20 - largeRate)
	if latest := time.Now().Add(l.HandshakeTimeout); c.deadline.After(latest) || !c.deadline.After(second) {
		t.Errorf("after 16 MiB at once the deadline is %v, the latest would be %v", c.deadline, latest)
	}
}

// halfway sends the beginning of a handshake with large certificates, and then stands
// still: what it sends is cut so many bytes behind the start.
func halfway(t testing.TB, address string, presents *tls.Certificate, bytesSent int) net.Conn {
	t.Helper()
	c := stalled(t, address)
	end := tlsClient(&cut{Conn: c, left: bytesSent}, presents)
	if err := end.Handshake(); !errors.Is(err, errCut) {
		t.Fatalf("the handshake ended with %v", err)
	}
	return c
}

// cut is a connection that takes only so many bytes.
type cut struct {
	net.Conn
	left int
}

var errCut = errors.New("no more is sent")

func (c *cut) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	if _, err := c.Conn.Write(p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, errCut
	}
	return n, nil
}

// TestStrangersDoNotKeepTheBudget ends those first that hold most of it and stand
// still, and none that is known.
func TestStrangersDoNotKeepTheBudget(t *testing.T) {
	const size = 200 << 10
	w := newWorld(t, func(_ *world, c *Config) {
		c.Limits.LargeBytes = 3 * (size - c.Limits.FreeBytes + 16<<10)
		c.Limits.HandshakeTimeout = time.Hour // only the budget ends them
	})
	w.daemon(echo)
	large := create(t, w.family.Web, size)
	known := w.dial(large)
	wantEcho(t, known, "in")
	holders := func(n int) {
		t.Helper()
		testutil.Eventually(t, patience, func() error {
			w.server.budget.mu.Lock()
			defer w.server.budget.mu.Unlock()
			if w.server.budget.holders.Len() != n {
				return errors.New("others hold some of the budget")
			}
			for e := w.server.budget.holders.Front(); e != nil; e = e.Next() {
				if e.Value.(*metered).taken < (size-64<<10)*9/10 {
					return errors.New("less was read than was sent")
				}
			}
			return nil
		})
	}
	// Nothing about a certificate is known before all of it is there.
	stranger := selfSigned(t)
	stranger.Certificate = [][]byte{bytes.Repeat(stranger.Certificate[0], size/len(stranger.Certificate[0]))}
	var strangers []net.Conn
	for i := range 2 {
		strangers = append(strangers, halfway(t, w.address, &stranger, size-8<<10))
		holders(i + 1)
	}
	wantEcho(t, w.dial(large), "in, as the oldest ended")
	wantClosed(t, strangers[0])
	holders(1)
	wantEcho(t, w.dial(large), "in, as the next ended")
	wantClosed(t, strangers[1])
	w.logged("too large, all at a time")
	wantEcho(t, known, "still here")
	end := tlsClient(stalled(t, w.address), &large)
	_ = end.Handshake() // it may be ended while it sends
	wantClosed(t, end)
	wantEcho(t, known, "nobody known ends for another")
}
