package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
)

// PEM returns the file of the list: the list, then the certificates of its issuer
// and those above it, without the root. So it can be checked by who knows the root
// only.
func (l *CRL) PEM() []byte {
	var b bytes.Buffer
	b.Write(pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: l.der}))
	for _, c := range l.issuers {
		if !selfSigned(c) {
			b.Write(CertificatesPEM(c))
		}
	}
	return b.Bytes()
}

// Top returns the KeyID of the CA directly below the root that a list belongs to: its
// issuer or the uppermost above it. It is zero for a list of the root.
func (l *CRL) Top() Digest {
	below := l.issuers
	if last := len(below) - 1; selfSigned(below[last]) {
		below = below[:last]
	}
	if len(below) == 0 {
		return Digest{}
	}
	return KeyID(below[len(below)-1])
}

// Issuers returns what is kept of the issuer and the CAs above it, for
// [CRLs.Revoked]. It needs a list whose chain is known up to the root, as that of
// [ParseCRLFile] is; for a list of the root there are none.
func (l *CRL) Issuers() []Link { return l.issuers.links() }

// ParseCRLFile reads the file of a revocation list and checks it up to the root CA.
// Without certificates in the file the root must have made it. Whether those have
// expired is not asked: what expired CAs issued is refused anyway, and what still
// runs of it is told apart by the list. The error matches ErrPEM, ErrCRL or
// ErrCRLIssuer, or is an [*Error] about the issuer's chain.
func ParseCRLFile(file []byte, root *x509.Certificate) (*CRL, error) {
	der, err := onlyBlock(file, pemCRL)
	if err != nil {
		return nil, err
	}
	issuers, err := crlIssuers(file, root)
	if err != nil {
		return nil, err
	}
	return parseCRL(der, issuers)
}

// crlIssuers returns the chain in the file of a list; its first is the issuer.
func crlIssuers(file []byte, root *x509.Certificate) (chain, error) {
	var ders [][]byte
	for _, b := range blocks(file) {
		if b.Type == pemCertificate {
			ders = append(ders, b.Bytes)
		}
	}
	if root == nil {
		return nil, refuseChain(ErrRoot, "there is no root CA that a certificate could lead to")
	}
	if len(ders) == 0 || len(ders) == 1 && bytes.Equal(ders[0], root.Raw) {
		return chain{root}, nil
	}
	c, err := parseChain(ders, root)
	if err != nil {
		return nil, err
	}
	if err := c.checkOrder(); err != nil {
		return nil, err
	}
	if err := c.checkAuthorities(c.checkCritical); err != nil {
		return nil, err
	}
	return c, nil
}
