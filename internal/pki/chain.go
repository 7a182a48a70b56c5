package pki

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// MaxChain is the most certificates that may be presented, the root included if it
// is among them.
const MaxChain = 9

const (
	maxSerialBits = 160  // of RFC 5280
	maxRSABits    = 8192 // of crypto/tls
)

// chain is a chain of certificates, leaf first, that ends in the root. It has at
// least two.
type chain []*x509.Certificate

// parseChain reads what was presented and puts the root at its end. Only counts and
// forms are checked.
func parseChain(ders [][]byte, root *x509.Certificate) (chain, error) {
	switch {
	case root == nil:
		return nil, refuseChain(ErrRoot, "there is no root CA that a certificate could lead to")
	case len(ders) == 0:
		return nil, refuseChain(ErrMalformed, "no certificate was presented")
	case len(ders) > MaxChain:
		return nil, refuseChain(ErrTooLong, "the chain has %d certificates, at most %d are allowed", len(ders), MaxChain)
	}
	c := make(chain, 0, len(ders)+1)
	for i, der := range ders {
		if i > 0 && i == len(ders)-1 && bytes.Equal(der, root.Raw) {
			break
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, refuseChain(ErrMalformed, "certificate %d of %d cannot be read: %s", i+1, len(ders), printable(err.Error()))
		}
		if err := checkSizes(cert, i); err != nil {
			return nil, err
		}
		own(cert)
		c = append(c, cert)
	}
	return append(c, root), nil
}

// checkSizes refuses numbers that are valid DER but made to cost time and space.
func checkSizes(c *x509.Certificate, level int) error {
	if n := c.SerialNumber.BitLen(); n > maxSerialBits {
		return refuseChain(ErrMalformed, "certificate %d has a serial number of %d bits, at most %d are allowed", level+1, n, maxSerialBits)
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return refuseChain(ErrMalformed, "certificate %d has an RSA key of %d bits, at most %d are allowed", level+1, key.N.BitLen(), maxRSABits)
	}
	return nil
}

// own takes our extensions off those that crypto/x509 must refuse where they are
// critical: they are handled here.
func own(c *x509.Certificate) {
	c.UnhandledCriticalExtensions = slices.DeleteFunc(c.UnhandledCriticalExtensions, func(oid asn1.ObjectIdentifier) bool { return isOwn(oid) })
}

// root returns the level of the root.
func (c chain) root() int { return len(c) - 1 }

// issuer returns the level of the certificate named as issuer of that at level i, or
// -1. It looks at names only, which may be the same for several.
func (c chain) issuer(i int) int {
	return slices.IndexFunc(c, func(other *x509.Certificate) bool {
		return other != c[i] && bytes.Equal(other.RawSubject, c[i].RawIssuer)
	})
}

// checkOrder refuses a chain in which a certificate is not followed by one with the
// name of its issuer.
func (c chain) checkOrder() error {
	for i, cert := range c[:c.root()] {
		next := c[i+1]
		if bytes.Equal(cert.RawIssuer, next.RawSubject) {
			continue
		}
		by := nameText(cert.Issuer)
		switch {
		case c.issuer(i) >= 0:
			return refuse(ErrOrder, i, cert, "is signed by %q, but %q follows it: put the leaf first and behind each certificate the one that signed it",
				by, subjectText(next))
		case i+1 == c.root():
			return refuse(ErrRoot, i, cert, "is signed by %q, which is neither the root CA %q nor among those presented: this is the wrong CA, or certificates are missing",
				by, subjectText(next))
		}
		return refuse(ErrOrder, i, cert, "is signed by %q, which is missing: %q follows it", by, subjectText(next))
	}
	return nil
}

// checkAuthorities checks all CAs and then the leaf's signature, from the root
// down, with what check finds in each CA.
func (c chain) checkAuthorities(check func(level int) error) error {
	for i := c.root(); i >= 0; i-- {
		if i > 0 {
			if err := c.checkCA(i); err != nil {
				return err
			}
		}
		if err := check(i); err != nil {
			return err
		}
		if i < c.root() {
			if err := c.checkSignature(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c chain) checkSignature(i int) error {
	cert, by := c[i], c[i+1]
	err := cert.CheckSignatureFrom(by)
	switch {
	case err == nil:
		return nil
	case i+1 == c.root():
		return refuse(ErrRoot, i, cert, "is not signed by the root CA %q that is trusted here, but by another of that name: %v", subjectText(by), err)
	}
	return refuse(ErrSignature, i, cert, "is not signed by the certificate %q behind it: %v", subjectText(by), err)
}
