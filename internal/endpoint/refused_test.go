package endpoint

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"albatross/internal/behalf"
	"albatross/internal/client/clienttest"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// forged signs what no CA of this project would.
func forged(t testing.TB, by *x509.Certificate, signer crypto.Signer, name string, c wire.Command, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := must(pki.GenerateKey(pki.Ed25519))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if c != nil {
		value := must(wire.AppendExtension(nil, c))(t)
		template.ExtraExtensions = []pkix.Extension{{Id: pki.OIDCommand, Value: value}}
	}
	if change != nil {
		change(template)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer))(t)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// withKey makes a CA whose key is known to the test, below another.
func withKey(t testing.TB, by *pki.CA, name string, p vm.Policy) (*pki.CA, crypto.Signer) {
	t.Helper()
	key := must(pki.GenerateKey(pki.Ed25519))(t)
	c := must(by.Sign(pki.Request{Name: name, Command: wire.PolicyAdd{Policy: p}, Public: key.Public()}, pki.ValidFor(time.Now(), pki.Day)))(t)
	return must(pki.NewCA(append([]*x509.Certificate{c}, by.Above()...), key))(t), key
}

// told is what albatrossd says to a client that it refuses, in tests.
const told = "albatrossd says no"

// introduced is an endpoint that hands clients over who will be refused: each chain
// goes to the channel once albatrossd has got nothing else of its client.
func introduced(t *testing.T) (*world, <-chan [][]byte) {
	t.Helper()
	w := newWorld(t, nil)
	chains := make(chan [][]byte, 16)
	w.daemon(func(c *behalf.Client, uc *net.UnixConn) {
		if b, err := io.ReadAll(uc); err != nil || len(b) > 0 {
			t.Errorf("albatrossd got %d bytes of a refused client, %v", len(b), err)
		}
		chains <- c.Chain
		m := wire.Message{Payload: wire.Failure{Text: told}}
		if err := wire.NewWriter(uc).WriteMessage(m); err != nil {
			t.Error(err)
		}
	})
	return w, chains
}

// wantIntroduced wants what a client presented.
func wantIntroduced(t testing.TB, chains <-chan [][]byte, presents tls.Certificate) {
	t.Helper()
	select {
	case got := <-chains:
		if d := cmp.Diff(presents.Certificate, got); d != "" {
			t.Errorf("another chain was introduced: %s", d)
		}
	case <-time.After(patience):
		t.Error("nobody was introduced")
	}
}

// refused is an endpoint that must not hand anyone over.
func refused(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.daemon(func(c *behalf.Client, _ *net.UnixConn) { t.Errorf("a client was handed over: %s", c.Peer) })
	return w
}

// TestStrangersAreRefusedInTheHandshake tells those nothing whose chain is not one of
// the root CA.
func TestStrangersAreRefusedInTheHandshake(t *testing.T) {
	w := refused(t)
	other := must(clienttest.NewFamily())(t) // its CAs have the same names
	shop := w.info()
	mixed := func(ders ...[]byte) tls.Certificate {
		return tls.Certificate{Certificate: ders, PrivateKey: shop.PrivateKey}
	}
	c := shop.Certificate
	long := append([][]byte{}, c...)
	for len(long) < 10 {
		long = append(long, c[1])
	}
	for what, tt := range map[string]struct {
		presents tls.Certificate
		log      string
	}{
		"another root":      {leaf(t, other.Web, "shop", wire.UnikernelInfo{}), "by another of that name"},
		"self-signed":       {selfSigned(t), "neither the root CA"},
		"CAs are missing":   {mixed(c[0]), "certificates are missing"},
		"wrong order":       {mixed(c[0], c[2], c[1]), "put the leaf first"},
		"ten certificates":  {mixed(long...), "the chain has 10 certificates, at most 9 are allowed"},
		"a wrong signature": {mixed(c[0], leafless(t, other.Web), c[2]), "is not signed by"},
	} {
		t.Run(what, func(t *testing.T) {
			wantAlert(t, w.dial(tt.presents), "bad certificate")
			w.logged(tt.log)
		})
	}
	t.Run("no certificate", func(t *testing.T) {
		wantAlert(t, dial(t, w.address, nil), "certificate required")
	})
}

func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	identity := must(throwaway())(t)
	return identity
}

// leafless returns the certificate of a CA.
func leafless(t testing.TB, ca *pki.CA) []byte {
	t.Helper()
	return ca.Certificate().Raw
}

// TestWrongKey refuses who presents another's certificate.
func TestWrongKey(t *testing.T) {
	w := refused(t)
	presents := w.info()
	presents.PrivateKey = must(pki.GenerateKey(pki.Ed25519))(t)
	wantAlert(t, w.dial(presents), "error decrypting message")
	w.logged("invalid signature by the client certificate")
}

// TestOldTLS refuses what is older than 1.3.
func TestOldTLS(t *testing.T) {
	w := refused(t)
	raw := must(net.Dial("tcp", w.address))(t)
	defer raw.Close()
	c := tls.Client(raw, &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true})
	if err := c.Handshake(); err == nil || err.Error() != "remote error: tls: protocol version not supported" {
		t.Error(err)
	}
	w.logged("client offered only unsupported versions")
}

// TestRefusedAreIntroduced has albatrossd refuse, and so log, who could be let in but
// for a reason; the endpoint gives the reason only where there is no albatrossd.
func TestRefusedAreIntroduced(t *testing.T) {
	w, chains := introduced(t)
	alone := newWorld(t, func(_ *world, c *Config) { c.Root = w.family.Root.Certificate() })
	small := vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}
	carol, key := withKey(t, w.family.Root, "carol", small)
	sign := func(name string, c wire.Command, change func(*x509.Certificate)) tls.Certificate {
		l := forged(t, carol.Certificate(), key, name, c, change)
		l.Certificate = append(l.Certificate, pki.DER(carol.Above())...)
		return l
	}
	ca := func(x *x509.Certificate) {
		x.IsCA, x.ExtKeyUsage, x.KeyUsage = true, nil, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	}
	// Below returns a leaf that is signed by a delegate of carol.
	below := func(delegate tls.Certificate) tls.Certificate {
		by := must(x509.ParseCertificate(delegate.Certificate[0]))(t)
		l := forged(t, by, delegate.PrivateKey.(crypto.Signer), "shop", wire.UnikernelInfo{}, nil)
		l.Certificate = append(l.Certificate, delegate.Certificate...)
		return l
	}
	for what, tt := range map[string]struct {
		presents tls.Certificate
		sentence string
	}{
		"expired":               {sign("shop", wire.UnikernelInfo{}, func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Second) }), `certificate "shop" expired at `},
		"not yet valid":         {sign("shop", wire.UnikernelInfo{}, func(x *x509.Certificate) { x.NotBefore = time.Now().Add(time.Minute) }), `certificate "shop" is valid from `},
		"no command":            {sign("shop", nil, nil), "carries no command"},
		"not allowed from afar": {sign("shop", wire.PolicyAdd{Policy: small}, nil), "has to be given on the host itself"},
		"no label":              {sign("a:b", wire.UnikernelInfo{}, nil), "has no usable common name"},
		"unknown version": {sign("shop", nil, func(x *x509.Certificate) {
			value := must(wire.AppendExtension(nil, wire.UnikernelInfo{}))(t)
			value = bytes.Replace(value, []byte{2, 1, 5}, []byte{2, 1, 4}, 1)
			x.ExtraExtensions = []pkix.Extension{{Id: pki.OIDCommand, Value: value}}
		}), "is not understood"},
		"for a server":         {sign("shop", wire.UnikernelInfo{}, func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "is not that of a TLS client"},
		"a CA itself":          {tls.Certificate{Certificate: pki.DER(carol.Above()), PrivateKey: key}, "is that of a CA"},
		"a command in a CA":    {below(sign("dave", wire.UnikernelInfo{}, ca)), "which may carry a policy but not a command"},
		"more than its parent": {below(sign("dave", wire.PolicyAdd{Policy: clienttest.WebPolicy}, ca)), "allows more than the one above it"},
	} {
		t.Run(what, func(t *testing.T) {
			wantAnswer(t, w.dial(tt.presents), ":", told)
			wantIntroduced(t, chains, tt.presents)
			wantAnswer(t, alone.dial(tt.presents), ":", tt.sentence)
			_, behind, _ := strings.Cut(tt.sentence, `" `) // quotes are written in another way
			w.logged(behind)
		})
	}
}

// TestRefusedNeedTheSignatures keeps those in the handshake for whom another reason is
// found before the signature that is wrong.
func TestRefusedNeedTheSignatures(t *testing.T) {
	w := refused(t)
	expired := func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Second) }
	other := must(pki.GenerateKey(pki.KeyTypes()[0]))(t)
	like := func(ca *pki.CA) tls.Certificate {
		fake := &x509.Certificate{RawSubject: ca.Certificate().RawSubject, PublicKey: other.Public()}
		return forged(t, fake, other, "shop", wire.UnikernelInfo{}, expired)
	}
	direct, below := like(w.family.Root), like(w.family.Alice)
	below.Certificate = append(below.Certificate, pki.DER(w.family.Alice.Above())...)
	for what, presents := range map[string]tls.Certificate{"by another root": direct, "by another alice": below} {
		t.Run(what, func(t *testing.T) {
			wantAlert(t, w.dial(presents), "bad certificate")
			w.logged("expired at")
			w.logged("the root CA has not signed this")
		})
	}
}

// TestRefusedHoldPlaces counts who is refused as who is not.
func TestRefusedHoldPlaces(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.PerDelegation = 1 })
	here, release := make(chan struct{}), make(chan struct{})
	w.daemon(func(*behalf.Client, *net.UnixConn) {
		close(here)
		<-release
	})
	carol, key := withKey(t, w.family.Root, "carol", clienttest.WebPolicy)
	l := forged(t, carol.Certificate(), key, "shop", nil, nil)
	l.Certificate = append(l.Certificate, pki.DER(carol.Above())...)
	first := w.dial(l)
	<-here
	wantAnswer(t, w.dial(l), ":", `too many clients of "carol"`)
	close(release)
	wantEnd(t, first)
}

// TestAnswerReachesWhoSendsFirst has a client get the answer that streams data right
// behind its handshake.
func TestAnswerReachesWhoSendsFirst(t *testing.T) {
	w, chains := introduced(t)
	carol, key := withKey(t, w.family.Root, "carol", clienttest.WebPolicy)
	l := forged(t, carol.Certificate(), key, "shop", nil, nil)
	l.Certificate = append(l.Certificate, pki.DER(carol.Above())...)
	c := w.dial(l)
	if _, err := c.Write(make([]byte, 32<<20)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, c, ":", told)
	wantIntroduced(t, chains, l)
}

// TestRevoked refuses what is revoked at any level, without a restart.
func TestRevoked(t *testing.T) {
	for level, what := range []string{"leaf", "web", "alice"} {
		w := newWorld(t, nil)
		w.daemon(func(c *behalf.Client, uc *net.UnixConn) {
			// As an albatrossd that is told of nothing: only the end of data that the
			// endpoint makes at once has it answer.
			if n, _ := io.Copy(uc, uc); n == 0 {
				_ = wire.NewWriter(uc).WriteMessage(wire.Message{Payload: wire.Failure{Text: told}})
			}
		})
		presents := w.info()
		wantEcho(t, w.dial(presents), "not revoked")
		by := []*pki.CA{w.family.Web, w.family.Alice, w.family.Root}[level]
		list := revoke(t, by, nil, w.family.Server.Certificate[0])
		deliver(t, w.tmp.CRLs(), list)
		wantEcho(t, w.dial(presents), "another one is")
		// At once, which must not go unseen.
		deliver(t, w.tmp.CRLs(), revoke(t, by, list, presents.Certificate[level]))
		wantAnswer(t, w.dial(presents), ":", told)
		w.logged("was revoked by")
		t.Log(what)
	}
}

// TestRecordedChainsAreAccepted takes what Albatross 2.7.2 signed, whose keys nobody
// has: so from the point on where crypto/tls hands over what a client presents.
func TestRecordedChainsAreAccepted(t *testing.T) {
	recorded := func(file string) []byte { return must(os.ReadFile("../pki/testdata/chains/" + file))(t) }
	w := newWorld(t, func(_ *world, c *Config) {
		c.Root = must(pki.ParseRoot(recorded("cacert.pem")))(t)
		c.Now = func() time.Time { return time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC) }
	})
	for _, file := range []string{"shop.pem", "gone.pem", "disk1.pem", "shopc.pem", "rs.pem", "bi.pem"} {
		var ders [][]byte
		for b, rest := pem.Decode(recorded(file)); b != nil; b, rest = pem.Decode(rest) {
			ders = append(ders, b.Bytes)
		}
		var v verdict
		if err := w.server.tlsConfig(&v).VerifyPeerCertificate(ders, nil); err != nil || v.refusal != nil {
			t.Errorf("%s: %v, %v", file, err, v.refusal)
		} else if v.authority.Name.Path().Wire() != "alice:web:" {
			t.Errorf("%s is about %s", file, v.authority.Name)
		}
	}
}
