package pki

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// maxNumber is the largest number of a list, 20 bytes as an INTEGER.
var maxNumber = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), maxSerialBits-1), big.NewInt(1))

// Revoke makes the next revocation list of the CA: with the entries of previous,
// which may be nil for the first, and these. An entry without a time gets now. The
// next update is due after d. Its number follows the previous one and is at least
// now in Unix seconds: so hosts take it even if the previous list was lost. The error
// matches ErrCRL or ErrCRLIssuer.
func (ca *CA) Revoke(previous *CRL, entries []Entry, now time.Time, d time.Duration) (*CRL, error) {
	number, all := big.NewInt(max(1, now.Unix())), map[string]Entry{}
	if previous != nil {
		if previous.Key != KeyID(ca.chain[0]) {
			return nil, fmt.Errorf("%w: the previous list is that of %q, the CA is %q", ErrCRLIssuer, previous.Issuer, subjectText(ca.chain[0]))
		}
		if next := new(big.Int).Add(previous.Number, big.NewInt(1)); next.Cmp(number) > 0 {
			number = next
		}
		for _, e := range previous.Entries {
			all[e.Serial] = e
		}
	}
	if number.Cmp(maxNumber) > 0 {
		return nil, fmt.Errorf("%w: there is no number after %v", ErrCRL, previous.Number)
	}
	for _, e := range entries {
		if e.At.IsZero() {
			e.At = now
		}
		if _, known := all[e.Serial]; !known {
			all[e.Serial] = e
		}
	}
	t := &x509.RevocationList{Number: number, ThisUpdate: now, NextUpdate: now.Add(d)}
	for _, e := range sorted(all) {
		serial, err := ParseSerial(e.Serial)
		if err != nil {
			return nil, err
		}
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: e.At, ReasonCode: e.Reason})
	}
	return ca.signCRL(t)
}

func (ca *CA) signCRL(t *x509.RevocationList) (*CRL, error) {
	issuer := *ca.chain[0]
	if len(issuer.SubjectKeyId) == 0 {
		// Roots made by Albatross have none, and crypto/x509 insists.
		id, err := keyIdentifier(issuer.PublicKey)
		if err != nil {
			return nil, err
		}
		issuer.SubjectKeyId = id
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, &issuer, ca.key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCRL, err)
	}
	return parseCRL(der, ca.chain)
}

// ParseSerial reads a serial number of hexadecimal digits. The error matches ErrCRL.
func ParseSerial(s string) (*big.Int, error) {
	n, ok := new(big.Int).SetString(s, 16)
	if !ok || n.Sign() < 0 || len(s) > 2*21 {
		return nil, fmt.Errorf("%w: %q is no serial number in hexadecimal digits", ErrCRL, printable(s))
	}
	return n, nil
}
