package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"
)

// How long certificates are valid unless said otherwise, as Albatross has it.
const (
	Day            = 24 * time.Hour
	RootFor        = 3650 * Day
	DelegationFor  = 365 * Day
	ServerFor      = 365 * Day
	CommandFor     = 1 * Day
	OnTheFlyFor    = 300 * time.Second // a command that is signed to be sent at once
	OnceFor        = 10 * time.Minute  // at most, of what is for one use: hosts remember it as long
	CRLFor         = 365 * Day         // until the next update is due
	validityBefore = 10 * time.Second
)

// Validity is when a certificate is valid, in whole seconds.
type Validity struct{ From, Until time.Time }

// ValidFor returns the validity of what is signed now and lasts for d. It begins
// 10 s ago, for clocks that are behind.
func ValidFor(now time.Time, d time.Duration) Validity {
	return Validity{From: now.Add(-validityBefore), Until: now.Add(d)}
}

func (v Validity) check() error {
	switch {
	case !v.From.Before(v.Until):
		return fmt.Errorf("%w: it would be valid until %s, which is not after %s", ErrRequest, timeText(v.Until), timeText(v.From))
	case v.Until.UTC().Year() > 9999:
		return fmt.Errorf("%w: it would be valid until the year %d, which cannot be written", ErrRequest, v.Until.UTC().Year())
	}
	return nil
}

// profile is a kind of certificate.
type profile struct {
	ca       bool
	usage    x509.KeyUsage
	extended *asn1.ObjectIdentifier // nil: none
}

var (
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

const endUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

var (
	caProfile = profile{
		ca:    true,
		usage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	leafProfile   = profile{usage: endUsage, extended: &oidClientAuth}
	serverProfile = profile{usage: endUsage, extended: &oidServerAuth}
)

// template returns a certificate of this kind to be filled in.
func (p profile) template(v Validity) (*x509.Certificate, error) {
	t := &x509.Certificate{
		NotBefore: v.From, NotAfter: v.Until,
		KeyUsage:              p.usage,
		BasicConstraintsValid: true, IsCA: p.ca,
	}
	if p.ca {
		t.MaxPathLen = -1 // none is written
	}
	if p.extended != nil {
		// crypto/x509 would write it as not critical.
		value, err := asn1.Marshal([]asn1.ObjectIdentifier{*p.extended})
		if err != nil {
			return nil, fmt.Errorf("extended key usage: %w", err)
		}
		t.ExtraExtensions = []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: value}}
	}
	return t, nil
}
