package endpoint

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"

	"albatross/internal/behalf"
	"albatross/internal/client/clienttest"
	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
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
	var ended uint64
	testutil.Eventually(t, patience, func() error {
		if ended += w.server.tally.untold()[behalf.Crowded]; ended < 36 {
			return fmt.Errorf("%d were counted as ended for newer ones", ended)
		}
		return nil
	})
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
		c.Limits.PerLeaf, c.Limits.PerDelegation, c.Limits.Clients = 2, 3, 8
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

// TestLastQuarter keeps places for others, whatever one delegation takes.
func TestLastQuarter(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.PerLeaf, c.Limits.PerDelegation, c.Limits.Clients = 8, 8, 8 })
	w.daemon(echo)
	for range 6 {
		wantEcho(t, w.dial(w.info()), "alice takes what she can")
	}
	wantAnswer(t, w.dial(w.info()), "alice:web:shop", `what is left is for others than "alice", who has 6`)
	for _, name := range []string{"admin", "boss"} {
		wantEcho(t, w.dial(leaf(t, w.family.Root, name, wire.UnikernelInfo{})), name)
	}
	wantAnswer(t, w.dial(leaf(t, w.family.Root, "late", wire.UnikernelInfo{})), ":late", "too many clients: at most 8")
}

// TestLimitsWithin has no more clients than there are descriptors for.
func TestLimitsWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := rapid.Uint64Range(0, 10000).Draw(t, "files")
		l, less := DefaultLimits().Within(files)
		switch need := uint64(l.Handshakes + 2*l.Clients); {
		case l.Check() != nil:
			t.Errorf("%+v: %v", l, l.Check())
		case files >= 64 && need > files:
			t.Errorf("%+v needs %d descriptors", l, need)
		case less == (l == DefaultLimits()):
			t.Errorf("less: %v, but %+v", less, l)
		case l.PerDelegation > max(1, l.Clients/4):
			t.Errorf("one delegation may take too many: %+v", l)
		}
	})
}

// TestDelegationIsItsKey counts two certificates for the same key as one delegation.
func TestDelegationIsItsKey(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.PerDelegation = 1 })
	w.daemon(echo)
	key := must(pki.GenerateKey(pki.Ed25519))(t)
	carol := func() tls.Certificate {
		p := wire.PolicyAdd{Policy: clienttest.WebPolicy}
		c := must(w.family.Root.Sign(pki.Request{Name: "carol", Command: p, Public: key.Public()}, pki.ValidFor(time.Now(), pki.Day)))(t)
		ca := must(pki.NewCA(append([]*x509.Certificate{c}, w.family.Root.Above()...), key))(t)
		return leaf(t, ca, "shop", wire.UnikernelInfo{})
	}
	first, second := carol(), carol()
	if bytes.Equal(first.Certificate[1], second.Certificate[1]) {
		t.Fatal("both are below the same certificate")
	}
	wantEcho(t, w.dial(first), "in")
	wantAnswer(t, w.dial(second), "carol:shop", `too many clients of "carol"`)
	wantEcho(t, w.dial(w.info()), "others are not affected")
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
	probe := &metered{Conn: endless{}, budget: w.server.budget}
	if w.server.budget.take(probe, 100<<10) {
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
		defer probe.release()
		if !w.server.budget.take(probe, 200<<10) {
			return errors.New("the budget is not given back")
		}
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
