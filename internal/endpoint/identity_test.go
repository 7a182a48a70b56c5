package endpoint

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"albatross/internal/client/clienttest"
	"albatross/internal/pki"
	"albatross/internal/testutil"
)

// renewal is another certificate of the server, and its key.
type renewal struct{ certificate, key []byte }

func renew(t testing.TB, by *pki.CA, v pki.Validity) renewal {
	t.Helper()
	key := must(pki.GenerateKey(pki.P256))(t)
	c := must(by.Sign(pki.Request{Name: "server", Hosts: []string{"localhost"}, Public: key.Public()}, v))(t)
	return renewal{pki.CertificatesPEM(c), must(pki.KeyPEM(key))(t)}
}

// presented returns the PEM of the certificate that a server presents now.
func presented(t testing.TB, address string) string {
	t.Helper()
	c := must(tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}))(t)
	defer c.Close()
	return string(pki.CertificatesPEM(c.ConnectionState().PeerCertificates[0]))
}

// TestRenewedCertificate replaces the two files of a running program, one after the
// other: clients get the one before until both are there, and then the next.
func TestRenewedCertificate(t *testing.T) {
	s := newSite(t)
	p := s.listening(t, build(t, false))
	next := renew(t, s.family.Root, pki.ValidFor(time.Now(), pki.ServerFor))
	before := string(must(os.ReadFile(s.files[1]))(t))
	if got := presented(t, p.address); got != before {
		t.Fatalf("at first: %s", got)
	}
	// The certificate alone.
	replace(t, s.files[1], next.certificate)
	testutil.Eventually(t, patience, func() error {
		if got := presented(t, p.address); got != before {
			t.Fatalf("while the two do not belong together: %s", got)
		}
		if !strings.Contains(p.log.String(), "does not fit") {
			return errors.New("the log does not tell")
		}
		return nil
	})
	replace(t, s.files[2], next.key)
	testutil.Eventually(t, patience, func() error {
		if got := presented(t, p.address); got != string(next.certificate) {
			return errors.New("the one before is in use")
		}
		return nil
	})
	if log := p.log.String(); strings.Count(log, "does not fit") != 1 || strings.Count(log, "the certificate of the server has changed\"") != 1 {
		t.Errorf("the log has:\n%s", log)
	}
}

func replace(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file+".new", content, 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateThatDoesNotFit leaves the one before in use whatever the files have,
// and takes the next one that fits.
func TestCertificateThatDoesNotFit(t *testing.T) {
	s := newSite(t)
	now := time.Now()
	log := new(logBuffer)
	i := must(LoadIdentity(slog.New(slog.NewTextHandler(log, nil)), s.files[1], s.files[2], s.family.Root.Certificate(), func() time.Time { return now }))(t)
	first := i.Current()
	good := renew(t, s.family.Root, pki.ValidFor(now, pki.ServerFor))
	other := renew(t, must(clienttest.NewFamily())(t).Root, pki.ValidFor(now, pki.ServerFor))
	late := renew(t, s.family.Root, pki.Validity{From: now.Add(-time.Hour), Until: now.Add(-time.Minute)})
	told := 0
	for what, r := range map[string]renewal{
		"half a file":    {good.certificate[:len(good.certificate)/2], good.key},
		"half a key":     {good.certificate, good.key[:len(good.key)/2]},
		"another's key":  {good.certificate, other.key},
		"another CA's":   other,
		"expired":        late,
		"empty":          {nil, nil},
		"key in its way": {good.key, good.certificate},
	} {
		replace(t, s.files[1], r.certificate)
		replace(t, s.files[2], r.key)
		told++
		for range 3 {
			now = now.Add(lookPause)
			if got := i.Current(); got != first {
				t.Errorf("%s is taken", what)
			}
		}
		if n := strings.Count(log.String(), "does not fit"); n != told {
			t.Errorf("%s: told %d times, want %d", what, n, told)
			told = n
		}
	}
	for _, file := range s.files[1:] {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(lookPause)
	if i.Current() != first {
		t.Error("without files there is another one")
	}
	replace(t, s.files[1], good.certificate)
	replace(t, s.files[2], good.key)
	if i.Current() != first {
		t.Error("the files are looked at for each client")
	}
	now = now.Add(lookPause)
	if got := i.Current(); string(pki.CertificatesPEM(got.Leaf)) != string(good.certificate) {
		t.Error("the one that fits is not taken")
	}
	// Where the one in use is not believed either, another one is no worse.
	now = now.Add(2 * pki.ServerFor)
	replace(t, s.files[1], late.certificate)
	replace(t, s.files[2], late.key)
	if got := i.Current(); string(pki.CertificatesPEM(got.Leaf)) != string(late.certificate) {
		t.Error("an expired one stays in the place of another")
	}
	if key, ok := i.Current().PrivateKey.(crypto.Signer); !ok || !publicOf(i.Current().Leaf, key) {
		t.Error("the key is not that of the certificate")
	}
	now = now.Add(-pki.ServerFor) // a clock that was set back
	replace(t, s.files[1], good.certificate)
	replace(t, s.files[2], good.key)
	if got := i.Current(); string(pki.CertificatesPEM(got.Leaf)) != string(good.certificate) {
		t.Error("after the clock was set back nothing is taken")
	}
}

func publicOf(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

// TestCertificateIsOneWhole changes the files while clients come: none gets a
// certificate with the key of another, which would fail its handshake.
func TestCertificateIsOneWhole(t *testing.T) {
	s := newSite(t)
	clock := new(ticking)
	i := must(LoadIdentity(slog.New(slog.DiscardHandler), s.files[1], s.files[2], s.family.Root.Certificate(), clock.now))(t)
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if c := i.Current(); !publicOf(c.Leaf, c.PrivateKey.(crypto.Signer)) {
				done <- fmt.Errorf("the key is not that of the certificate")
				return
			}
		}
	}()
	for range 20 {
		r := renew(t, s.family.Root, pki.ValidFor(time.Now(), pki.ServerFor))
		replace(t, s.files[2], r.key)
		replace(t, s.files[1], r.certificate)
		testutil.Eventually(t, patience, func() error {
			if string(pki.CertificatesPEM(i.Current().Leaf)) != string(r.certificate) {
				return errors.New("not taken yet")
			}
			return nil
		})
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
