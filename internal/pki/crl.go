package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// CRL is a certificate revocation list whose signature has been checked. It does
// not change.
type CRL struct {
	Issuer     string    // the common name of the CA, printable
	Key        Digest    // the KeyID of the CA
	Number     *big.Int  // grows from list to list
	ThisUpdate time.Time // when it was made
	NextUpdate time.Time // when the next is due; the list stays in force
	Entries    []Entry   // by serial number

	der     []byte
	issuers chain // the CA and those above it as far as known
	found   map[string]Entry
}

// Entry is one revoked certificate.
type Entry struct {
	Serial string    // hexadecimal, two digits a byte
	At     time.Time // since when it is not to be trusted, in whole seconds
	Reason int       // RFC 5280's reasonCode: 0 unspecified, 1 key compromise, 4 superseded, 5 cessation of operation, …
}

// DER returns the list as it was read.
func (l *CRL) DER() []byte { return bytes.Clone(l.der) }

// ParseCRL reads a revocation list and checks it against the CA that made it. The
// error matches ErrCRL or ErrCRLIssuer.
func ParseCRL(der []byte, issuer *x509.Certificate) (*CRL, error) {
	return parseCRL(der, chain{issuer})
}

// parseCRL takes the issuer and those above it.
func parseCRL(der []byte, issuers chain) (*CRL, error) {
	list, err := readCRL(der)
	if err != nil {
		return nil, err
	}
	issuer := issuers[0]
	if err := checkCRLIssuer(list, issuer); err != nil {
		return nil, err
	}
	if list.Number == nil || list.Number.Sign() < 0 || list.Number.Cmp(maxNumber) > 0 {
		return nil, fmt.Errorf("%w: the list of %q has no number of at most %d bytes", ErrCRL, subjectText(issuer), maxSerialBits/8)
	}
	if oid := criticalOf(list); oid != "" {
		return nil, fmt.Errorf("%w: the list of %q has a critical extension that is unknown here: %s", ErrCRL, subjectText(issuer), oid)
	}
	l := &CRL{
		Issuer: subjectText(issuer), Key: KeyID(issuer), Number: list.Number,
		ThisUpdate: list.ThisUpdate.UTC(), NextUpdate: list.NextUpdate.UTC(),
		der: bytes.Clone(der), issuers: slices.Clone(issuers), found: map[string]Entry{},
	}
	for _, e := range list.RevokedCertificateEntries {
		entry := Entry{Serial: serialText(e.SerialNumber), At: e.RevocationTime.UTC(), Reason: e.ReasonCode}
		if old, ok := l.found[entry.Serial]; ok && old.At.Before(entry.At) {
			continue
		}
		l.found[entry.Serial] = entry
	}
	l.Entries = sorted(l.found)
	return l, nil
}

func readCRL(der []byte) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrCRL, printable(err.Error()))
	}
	if more := len(der) - len(list.Raw); more > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow it", ErrCRL, more)
	}
	return list, nil
}

func checkCRLIssuer(list *x509.RevocationList, issuer *x509.Certificate) error {
	switch {
	case !bytes.Equal(list.RawIssuer, issuer.RawSubject):
		return fmt.Errorf("%w: it is that of %q, not of %q", ErrCRLIssuer, nameText(list.Issuer), subjectText(issuer))
	case !isCA(issuer) || issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return fmt.Errorf("%w: certificate %q is not that of a CA that may revoke", ErrCRLIssuer, subjectText(issuer))
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("%w: it is not signed by %q: %w", ErrCRLIssuer, subjectText(issuer), err)
	}
	return nil
}

// criticalOf returns the first critical extension of a list or its entries: lists of
// changes only, lists for others or for some certificates only have one.
func criticalOf(list *x509.RevocationList) string {
	critical := func(all []pkix.Extension) string {
		for _, e := range all {
			if e.Critical {
				return e.Id.String()
			}
		}
		return ""
	}
	if oid := critical(list.Extensions); oid != "" {
		return oid
	}
	for _, e := range list.RevokedCertificateEntries {
		if oid := critical(e.Extensions); oid != "" {
			return oid
		}
	}
	return ""
}

// findCRL reads a revocation list that one of the CAs in c made.
func (c chain) findCRL(der []byte) (*CRL, error) {
	list, err := readCRL(der)
	if err != nil {
		return nil, err
	}
	for i, ca := range c {
		if checkCRLIssuer(list, ca) == nil {
			return parseCRL(der, c[i:])
		}
	}
	return nil, fmt.Errorf("%w: it is that of %q, and no CA of that name in the chain signed it", ErrCRLIssuer, nameText(list.Issuer))
}

func sorted(found map[string]Entry) []Entry {
	all := make([]Entry, 0, len(found))
	for _, e := range found {
		all = append(all, e)
	}
	slices.SortFunc(all, func(x, y Entry) int { return bytes.Compare([]byte(x.Serial), []byte(y.Serial)) })
	return all
}
