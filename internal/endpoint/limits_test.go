package endpoint

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"pgregory.net/rapid"
)

// wantClosed wants a connection ended by the endpoint.
func wantClosed(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, errTimeout(err)) {
		t.Errorf("still open: %v", err)
	}
}

// errTimeout returns err if it is a timeout.
func errTimeout(err error) error {
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return err
	}
	return errors.New("no timeout")
}

func stalled(t testing.TB, address string) net.Conn {
	t.Helper()
	c := must(net.Dial("tcp", address))(t)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestOldestHandshakeEnds keeps a good client in among those that stand still.
func TestOldestHandshakeEnds(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) {
		c.Limits.Handshakes, c.Limits.HandshakeTimeout = 4, time.Hour
	})
	w.daemon(echo)
	var all []net.Conn
	for range 40 {
		all = append(all, stalled(t, w.address))
	}
	wantEcho(t, w.dial(w.info()), "good")
	for _, c := range all[:36] {
		wantClosed(t, c)
	}
	w.logged("too many handshakes")
	for _, c := range all {
		_ = c.Close()
	}
	testutil.Eventually(t, patience, func() error {
		w.server.handshakes.mu.Lock()
		defer w.server.handshakes.mu.Unlock()
		if n := w.server.handshakes.order.Len(); n > 0 {
			return errors.New("handshakes in flight")
		}
		return nil
	})
	wantEcho(t, w.dial(w.info()), "good again")
	w.logged("ended handshakes, there were too many")
}

// TestHandshakeTimeout ends who stands still, however few there are.
func TestHandshakeTimeout(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.HandshakeTimeout = 50 * time.Millisecond })
	wantClosed(t, stalled(t, w.address))
	c := stalled(t, w.address)
	if _, err := c.Write(must(clientHello())(t)); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, c)
}

// TestConnectionsPerCertificate counts leafs and whom the root signed for.
func TestConnectionsPerCertificate(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) {
		c.Limits.PerLeaf, c.Limits.PerDelegation, c.Limits.Clients = 2, 3, 4
	})
	w.daemon(echo)
	shop := w.info()
	let := func(presents tls.Certificate) *tls.Conn {
		c := w.dial(presents)
		wantEcho(t, c, "x")
		return c
	}
	first := let(shop)
	let(shop)
	wantAnswer(t, w.dial(shop), "alice:web:shop", `too many clients with the certificate "shop"`)
	let(w.info())
	wantAnswer(t, w.dial(leaf(t, w.family.Alice, "other", wire.UnikernelInfo{})), "alice:other", `too many clients of "alice"`)
	let(leaf(t, w.family.Root, "admin", wire.UnikernelInfo{}))
	wantAnswer(t, w.dial(leaf(t, w.family.Root, "boss", wire.UnikernelInfo{})), ":boss", "too many clients: at most 4")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, patience, func() error {
		c := w.dial(shop)
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		b := make([]byte, 1)
		_, err := io.ReadFull(c, b)
		if err == nil && b[0] != 'x' {
			err = errors.New("refused")
		}
		return err
	})
}

// create signs a leaf with an image of so many bytes.
func create(t testing.TB, by *pki.CA, size int) tls.Certificate {
	t.Helper()
	image := make([]byte, size)
	c := wire.UnikernelCreate{Config: vm.Config{Arguments: vm.Arguments{CPUs: vm.MakeSet(0), Memory: 32}}, Image: image}
	return leaf(t, by, "www", c)
}

// TestBudget bounds what all who are not known may send beyond what is free.
func TestBudget(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.LargeBytes = 200 << 10 })
	w.daemon(echo)
	large := create(t, w.family.Web, 200<<10)
	c := w.dial(large)
	wantEcho(t, c, "in")
	if w.server.budget.take(100 << 10) {
		t.Error("a client that is in has given back what it holds")
	}
	second := stalled(t, w.address)
	end := tlsClient(second, &large)
	_ = end.Handshake() // it may be ended while it sends
	wantClosed(t, end)
	w.logged("too large, all at a time")
	wantEcho(t, w.dial(w.info()), "small ones are not affected")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	w.logged("client ended")
	testutil.Eventually(t, patience, func() error {
		if !w.server.budget.take(200 << 10) {
			return errors.New("the budget is not given back")
		}
		w.server.budget.give(200 << 10)
		return nil
	})
	wantEcho(t, w.dial(large), "in again")
}

// TestLargeTime ends who holds some of the budget for too long.
func TestLargeTime(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.LargeTime = 100 * time.Millisecond })
	w.daemon(echo)
	c := w.dial(create(t, w.family.Web, 200<<10))
	wantClosed(t, c)
	wantEcho(t, w.dial(w.info()), "small ones may stay")
}

// TestLargeCertificateIsExplained tells in the log why Albatross's clients fail with
// a program that was not built by make build, as this test is not.
func TestLargeCertificateIsExplained(t *testing.T) {
	w := refused(t)
	c := stalled(t, w.address)
	large := create(t, w.family.Web, 300<<10)
	end := tlsClient(c, &large)
	_ = end.Handshake() // it may be ended while it sends
	wantClosed(t, end)
	w.logged("which raises the limit to 16 MiB")
}

func TestProbe(t *testing.T) {
	if large, err := TakesLargeCertificates(); err != nil || large {
		t.Errorf("a program with Go as it is: %v, %v", large, err)
	}
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

// endless is a connection that is always full.
type endless struct{ net.Conn }

func (endless) Read(p []byte) (int, error)    { return len(p), nil }
func (endless) SetDeadline(_ time.Time) error { return nil }

func TestLimitsCheck(t *testing.T) {
	if err := DefaultLimits().Check(); err != nil {
		t.Error(err)
	}
	for _, spoil := range []func(*Limits){
		func(l *Limits) { l.Handshakes = 0 }, func(l *Limits) { l.HandshakeTimeout = -1 }, func(l *Limits) { l.Clients = 0 },
		func(l *Limits) { l.PerDelegation = 0 }, func(l *Limits) { l.PerLeaf = 0 }, func(l *Limits) { l.StallTimeout = 0 },
		func(l *Limits) { l.LargeBytes = -1 },
	} {
		l := DefaultLimits()
		if spoil(&l); l.Check() == nil {
			t.Errorf("%+v is accepted", l)
		}
	}
}
