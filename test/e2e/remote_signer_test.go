package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"slices"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/wire"
)

// signer is a certificate with its key, and the one that signed it. It signs what no
// program of ours would.
type signer struct {
	cert  *x509.Certificate
	key   crypto.Signer
	above *signer // nil: it signed itself
}

// readSigner reads the files of a CA.
func readSigner(t testing.TB, certificate, key string, above *signer) *signer {
	t.Helper()
	b, err := os.ReadFile(certificate)
	must(t, err)
	all, err := pki.ParseCertificates(b)
	must(t, err)
	b, err = os.ReadFile(key)
	must(t, err)
	s := &signer{cert: all[0], above: above}
	s.key, err = pki.ParseKey(b)
	must(t, err)
	return s
}

// certificate is what is to be signed.
type certificate struct {
	name        string       // common name; empty: no subject
	ca          bool         // of a CA
	command     wire.Command // nil: none
	extension   []byte       // in the place of command: what stands in its extension
	content     *pki.Content // that follows
	from, until time.Time    // zero: for an hour from now on
	change      func(*x509.Certificate)
}

// sign signs a certificate with a key of its own; nil has it sign itself.
func (s *signer) sign(t testing.TB, c certificate) *signer {
	t.Helper()
	key, err := pki.GenerateKey(pki.Ed25519)
	must(t, err)
	signed := &signer{key: key, above: s}
	template := c.template(t)
	parent, by := template, key
	if s != nil {
		parent, by = s.cert, s.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	must(t, err)
	signed.cert, err = x509.ParseCertificate(der)
	must(t, err)
	return signed
}

func (c certificate) template(t testing.TB) *x509.Certificate {
	t.Helper()
	x := &x509.Certificate{
		NotBefore: c.from, NotAfter: c.until, BasicConstraintsValid: true, IsCA: c.ca,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if c.ca {
		x.KeyUsage, x.ExtKeyUsage = x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil
	}
	if c.name != "" {
		x.Subject = pkix.Name{CommonName: c.name}
	}
	if c.from.IsZero() {
		x.NotBefore = time.Now().Add(-time.Minute)
	}
	if c.until.IsZero() {
		x.NotAfter = time.Now().Add(time.Hour)
	}
	if c.command != nil {
		var err error
		c.extension, err = wire.AppendExtension(nil, c.command)
		must(t, err)
	}
	if c.extension != nil {
		x.ExtraExtensions = append(x.ExtraExtensions, pkix.Extension{Id: pki.OIDCommand, Value: c.extension})
	}
	if c.content != nil {
		value, err := asn1.Marshal(struct {
			Digest []byte
			Size   int64
		}{c.content.Digest[:], c.content.Size})
		must(t, err)
		x.ExtraExtensions = append(x.ExtraExtensions, pkix.Extension{Id: pki.OIDContent, Value: value})
	}
	if c.change != nil {
		c.change(x)
	}
	return x
}

// chain returns what is presented: leaf first, without the root.
func (s *signer) chain() (ders [][]byte) {
	for ; s != nil && s.above != nil; s = s.above {
		ders = append(ders, s.cert.Raw)
	}
	return ders
}

// tls returns the certificate of a client.
func (s *signer) tls() tls.Certificate {
	return tls.Certificate{Certificate: s.chain(), PrivateKey: s.key}
}

// behind returns s as if others had signed it, each the one before.
func (s *signer) behind(others ...*signer) *signer {
	last := &signer{} // stands for the root, which is not presented
	for _, o := range slices.Backward(others) {
		last = &signer{cert: o.cert, key: o.key, above: last}
	}
	return &signer{cert: s.cert, key: s.key, above: last}
}
