package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"
)

// Digest is a SHA-256: of a certificate's DER (its fingerprint), of a public key's
// DER, or of an image.
type Digest [sha256.Size]byte

// String returns 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns what String does.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(d) {
		return fmt.Errorf("%q is no SHA-256 of %d hexadecimal digits", text, 2*len(d))
	}
	copy(d[:], b)
	return nil
}

// Fingerprint returns the SHA-256 of a certificate's DER.
func Fingerprint(c *x509.Certificate) Digest { return sha256.Sum256(c.Raw) }

// KeyID returns the SHA-256 of the DER of c's public key, by which the issuers of
// certificates and revocation lists are told apart.
func KeyID(c *x509.Certificate) Digest {
	// A key has one canonical form but may stand in another in a certificate.
	if der, err := x509.MarshalPKIXPublicKey(c.PublicKey); err == nil {
		return sha256.Sum256(der)
	}
	return sha256.Sum256(c.RawSubjectPublicKeyInfo)
}

// Link is what is kept of one certificate of a chain, to tell later who acted and
// whether it has been revoked since. A chain of links is leaf first and without the
// root.
type Link struct {
	Subject     string    `json:"subject"` // the common name, printable
	Serial      string    `json:"serial"`  // hexadecimal, two digits a byte
	Fingerprint Digest    `json:"fingerprint"`
	Issuer      Digest    `json:"issuer"` // the KeyID of the certificate above
	NotAfter    time.Time `json:"not_after"`
}

// links returns what is to be kept of c.
func (c chain) links() []Link {
	links := make([]Link, 0, len(c)-1)
	for i, cert := range c[:len(c)-1] {
		links = append(links, Link{
			Subject:     subjectText(cert),
			Serial:      serialText(cert.SerialNumber),
			Fingerprint: Fingerprint(cert),
			Issuer:      KeyID(c[i+1]),
			NotAfter:    cert.NotAfter.UTC(),
		})
	}
	return links
}
