package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// stream is a subscription from afar, whatever comes of it.
type stream struct {
	t    testing.TB
	what string
	said []string
	conn *tls.Conn

	mu    sync.Mutex
	got   []byte // guarded by mu
	err   error  // guarded by mu; why there is no more
	ended sync.WaitGroup
}

// listens has somebody present a certificate, and reads until close.
func (f *farWorld) listens(what string, y try) *stream {
	f.t.Helper()
	s := &stream{t: f.t, what: what, said: y.said, conn: f.dial(y.leaf.tls())}
	s.ended.Go(s.read)
	f.t.Cleanup(func() { s.close() })
	return s
}

func (s *stream) read() {
	piece := make([]byte, 32<<10)
	for {
		n, err := s.conn.Read(piece)
		s.mu.Lock()
		s.got, s.err = append(s.got, piece[:n]...), err
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// heard is what came until now.
func (s *stream) heard() heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return hear(append([]byte(nil), s.got...), s.err)
}

// first waits for the answer, or an end without one.
func (s *stream) first() heard {
	s.t.Helper()
	var h heard
	testutil.Eventually(s.t, patience, func() error {
		if h = s.heard(); len(h.messages) == 0 && h.err == nil {
			return errors.New(s.what + " is not answered")
		}
		return nil
	})
	if len(h.messages) > 0 {
		h.messages = h.messages[:1]
	}
	return h
}

// more waits until so many messages have come.
func (s *stream) more(count int) {
	s.t.Helper()
	testutil.Eventually(s.t, patience, func() error {
		h := s.heard()
		switch {
		case len(h.messages) >= count:
			return nil
		case h.err != nil:
			s.t.Fatalf("%s has ended: %v", s.what, h.err)
		}
		return fmt.Errorf("%s got %d messages, want %d", s.what, len(h.messages), count)
	})
}

// close ends the subscription and returns all that came.
func (s *stream) close() heard {
	_ = s.conn.Close() // a second time it is closed already
	s.ended.Wait()
	return s.heard()
}

// wantGoOn waits until more has come to subscriptions.
func wantGoOn(all ...*stream) {
	for _, s := range all {
		s.t.Helper()
		s.more(len(s.heard().messages) + 3)
	}
}

// wantStreamsApart wants Bob's subscriptions to get nothing while something comes for
// Alice's that they could have got.
func (x *trespass) wantStreamsApart(console, stats *stream) {
	x.t.Helper()
	wantGoOn(console, stats)
	own := 0
	for _, s := range x.streams {
		h := s.close()
		x.wantNoSecrets(s.what, h.all, s.said)
		for _, m := range h.messages {
			switch p := m.Payload.(type) {
			case wire.StatsData:
				own++
			case wire.ConsoleData:
				x.t.Errorf("%s gets %q", s.what, p.Line) // what is his own is silent
				continue
			}
			x.wantOwn(s.what, heard{messages: []wire.Message{m}})
		}
	}
	if own == 0 {
		x.t.Error("Bob's subscriptions have not told of his own unikernel")
	}
}

// wantTicks wants a console to have all lines of a ticker, in order.
func (s *stream) wantTicks() {
	s.t.Helper()
	last := 0
	for _, m := range s.close().messages {
		line, ok := m.Payload.(wire.ConsoleData)
		if !ok {
			continue
		}
		n := 0
		if _, err := fmt.Sscanf(line.Line, "tick %d", &n); err != nil || last > 0 && n != last+1 {
			s.t.Errorf("%s has %q behind tick %d", s.what, line.Line, last)
		}
		last = n
	}
	if last == 0 {
		s.t.Errorf("%s is empty", s.what)
	}
}

// deviceOrders create unikernels with a block device and with a bridge.
func deviceOrders(t testing.TB, device, bridge string) []order {
	t.Helper()
	disk, web := arguments(), arguments()
	disk.Argv, disk.Blocks = nil, []vm.Block{{Name: "storage", Device: &device}}
	web.Argv, web.Nets = nil, []vm.Net{{Name: "service", Bridge: &bridge}}
	create := func(image string, a vm.Arguments) wire.UnikernelCreate {
		b, err := guest.Image(guest.TargetSPT, image)
		must(t, err)
		return wire.UnikernelCreate{Config: vm.Config{Arguments: a}, Image: b, Force: true}
	}
	return []order{{command: create("block", disk), label: "disk"}, {command: create("web", web), label: "web"}}
}

// devices has Bob create unikernels with a block device of Alice's, and with a bridge
// that she may use.
func (x *trespass) devices() {
	x.t.Helper()
	for _, name := range []string{"spare", ":alice:spare", "alice:spare", "alice.spare", "../alice:spare", ".."} {
		for _, o := range deviceOrders(x.t, name, "far0") {
			x.wantNoDevice(o, name)
			o.label = "own" // which a create is to replace
			x.wantNoDevice(o, name)
			a := o.command.(wire.UnikernelCreate).Config.Arguments
			o.command = wire.UnikernelRestart{Form: wire.ArgumentsCurrent, Arguments: &a}
			x.wantNoDevice(o, name)
		}
	}
	for _, name := range []string{"FAR0", "far0\x00", "../far0", ""} {
		x.wantNoDevice(deviceOrders(x.t, "spare", name)[1], name)
	}
}

// wantNoDevice wants Bob's unikernel not to get a device, whose name he may hear again.
func (x *trespass) wantNoDevice(o order, name string) {
	x.t.Helper()
	what := fmt.Sprintf("Bob's %T of %s with %q", o.command, o.label, name)
	h := x.presents(x.bob.sign(x.t, certificate{name: o.label, command: o.command}), nil)
	if h.failure() == "" {
		x.t.Errorf("%s is answered by %+v, %v", what, h.messages, h.err)
	}
	x.wantNoSecrets(what, h.all, []string{"alice:spare", "alice.spare"})
}

// lists has Bob deliver revocation lists that name Alice's certificates.
func (x *trespass) lists() {
	x.t.Helper()
	hers := x.alice.sign(x.t, certificate{name: ".", command: wire.UnikernelInfo{}})
	serials := []*big.Int{x.alice.cert.SerialNumber, hers.cert.SerialNumber}
	small := wire.PolicyAdd{Policy: vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}}
	namesake := x.bob.sign(x.t, certificate{name: "alice", ca: true, command: small})
	posing := x.bob.posing(x.root).sign(x.t, certificate{name: "alice", ca: true, command: small})
	for what, l := range map[string]struct {
		by     *signer // as whom it is made
		behind []*signer
		taken  bool
	}{
		"his own list":                       {x.bob.signer, []*signer{x.bob.signer}, true},
		"that of a CA of his of her name":    {namesake, []*signer{namesake, x.bob.signer}, true},
		"one of a CA posing as hers":         {posing, []*signer{posing}, false},
		"one of the root":                    {x.bob.posing(x.root), nil, false},
		"one of hers":                        {x.bob.posing(x.alice.signer), []*signer{x.alice.signer}, false},
		"his own with her certificate":       {x.bob.signer, []*signer{x.alice.signer}, false},
		"his own with her certificate first": {x.bob.signer, []*signer{x.alice.signer, x.bob.signer}, false},
		"his own without a certificate":      {x.bob.signer, nil, false},
	} {
		order := wire.Private{Verb: pki.VerbCRL, Body: revocationList(x.t, l.by, l.behind, serials)}
		h := x.presents(x.bob.sign(x.t, certificate{name: ".", command: order}), nil)
		if taken := !h.refused(); taken != l.taken {
			x.t.Errorf("%s: %+v, %v", what, h.messages, h.err)
		}
		x.wantNoSecrets(what, h.all, []string{`"alice"`})
	}
	if h := x.presents(hers, nil); h.refused() {
		x.t.Errorf("Bob's revocation lists have Alice refused: %s, %v", h.failure(), h.err)
	}
	x.alice.ok("info")
}

// revocationList is the file of a list, which need not be true.
func revocationList(t testing.TB, by *signer, behind []*signer, serials []*big.Int) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(time.Now().Unix()), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
	for _, s := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, by.cert, by.key)
	must(t, err)
	file := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	for _, s := range behind {
		file = append(file, pki.CertificatesPEM(s.cert)...)
	}
	return file
}
