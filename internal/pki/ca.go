package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"

	"albatross/internal/vm"
)

// CA is a certificate with its key and what is known of the chain above it. A CA
// does not change and may be used by several goroutines.
type CA struct {
	chain chain // its own certificate first; the root only if it is that itself or was given
	key   crypto.Signer
}

// NewCA returns the CA of the first certificate and its key. The others are those
// that signed it, each the one before; they may be left out. The error matches ErrCA
// or ErrKey.
func NewCA(certificates []*x509.Certificate, key crypto.Signer) (*CA, error) {
	switch {
	case len(certificates) == 0:
		return nil, fmt.Errorf("%w: it has no certificate", ErrCA)
	case !isCA(certificates[0]) || certificates[0].KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, fmt.Errorf("%w: certificate %q is not that of a CA", ErrCA, subjectText(certificates[0]))
	case !samePublic(key.Public(), certificates[0].PublicKey):
		return nil, fmt.Errorf("%w: the private key is not that of the certificate %q", ErrKey, subjectText(certificates[0]))
	}
	for i, cert := range certificates[:len(certificates)-1] {
		if err := cert.CheckSignatureFrom(certificates[i+1]); err != nil {
			return nil, fmt.Errorf("%w: certificate %q is not signed by %q, which follows it: %w", ErrCA, subjectText(cert), subjectText(certificates[i+1]), err)
		}
	}
	return &CA{chain: chain(certificates), key: key}, nil
}

// ParseCA reads the files of a CA: its certificate, perhaps with those above it, and
// its private key.
func ParseCA(certificates, key []byte) (*CA, error) {
	all, err := ParseCertificates(certificates)
	if err != nil {
		return nil, err
	}
	signer, err := ParseKey(key)
	if err != nil {
		return nil, err
	}
	return NewCA(all, signer)
}

// MakeRoot makes a root CA with the given common name. The error matches ErrName or
// ErrRequest.
func MakeRoot(commonName string, key crypto.Signer, v Validity) (*CA, error) {
	if err := checkCommonName(commonName); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrName, err)
	}
	t, err := caProfile.template(v)
	if err != nil {
		return nil, err
	}
	cert, err := issue(t, commonName, key.Public(), v, nil, key)
	if err != nil {
		return nil, err
	}
	return NewCA([]*x509.Certificate{cert}, key)
}

// Certificate returns the CA's own certificate.
func (ca *CA) Certificate() *x509.Certificate { return ca.chain[0] }

// Above returns the certificates to present behind one that the CA signed: its own
// and those above it, without the root.
func (ca *CA) Above() []*x509.Certificate {
	all := append([]*x509.Certificate{}, ca.chain...)
	if last := len(all) - 1; selfSigned(all[last]) {
		all = all[:last]
	}
	return all
}

// Policy returns the policy that what the CA signs must fit in: its own or the
// nearest known one above, or nil. The error matches ErrExtension or ErrVersion.
func (ca *CA) Policy() (*vm.Policy, error) {
	for i := range ca.chain {
		if i > 0 && i == ca.chain.root() && selfSigned(ca.chain[i]) {
			break
		}
		p, err := ca.chain.delegation(i)
		if err != nil || p != nil {
			return p, err
		}
	}
	return nil, nil
}

// SubCA signs a CA without a policy, which adds no label to names. The error matches
// ErrName or ErrRequest.
func (ca *CA) SubCA(commonName string, public crypto.PublicKey, v Validity) (*x509.Certificate, error) {
	if err := checkCommonName(commonName); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrName, err)
	}
	t, err := caProfile.template(v)
	if err != nil {
		return nil, err
	}
	return issue(t, commonName, public, v, ca.chain[0], ca.key)
}

// issue completes a template and signs it; a nil parent makes it sign itself.
func issue(t *x509.Certificate, commonName string, public crypto.PublicKey, v Validity, parent *x509.Certificate, key crypto.Signer) (*x509.Certificate, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	var err error
	if t.RawSubject, err = subject(commonName); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrName, err)
	}
	if t.SubjectKeyId, err = keyIdentifier(public); err != nil {
		return nil, err
	}
	if parent == nil {
		parent = t
	} else if t.AuthorityKeyId, err = keyIdentifier(parent.PublicKey); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate %q: %w", printable(commonName), err)
	}
	if len(der) > MaxCertificate {
		return nil, fmt.Errorf("%w: the certificate has %d bytes, TLS takes at most %d: let the image follow instead", ErrRequest, len(der), MaxCertificate)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate %q as signed: %w", printable(commonName), err)
	}
	own(cert)
	return cert, nil
}

// MaxCertificate is the most bytes that a certificate may have in TLS, as Albatross
// counts them. What crypto/tls takes by itself is less.
const MaxCertificate = 1 << 24
