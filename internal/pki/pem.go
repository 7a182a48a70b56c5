package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// blocks returns the PEM blocks of a file.
func blocks(file []byte) []*pem.Block {
	var all []*pem.Block
	for {
		var b *pem.Block
		if b, file = pem.Decode(file); b == nil {
			return all
		}
		all = append(all, b)
	}
}

// onlyBlock returns the one block of a type in a file.
func onlyBlock(file []byte, kind string) ([]byte, error) {
	var found []byte
	for _, b := range blocks(file) {
		switch {
		case b.Type != kind:
		case found != nil:
			return nil, fmt.Errorf("%w: it has more than one %s", ErrPEM, kind)
		default:
			found = b.Bytes
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: it has no %s in PEM form", ErrPEM, kind)
	}
	return found, nil
}

// ParseCertificates reads a file of one or more certificates, and keeps their
// order. Other PEM blocks are passed over. The error matches ErrPEM.
func ParseCertificates(file []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, b := range blocks(file) {
		if b.Type != pemCertificate {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate %d: %w", ErrPEM, len(all)+1, err)
		}
		own(c)
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: it has no certificate in PEM form", ErrPEM)
	}
	return all, nil
}

// ParseRoot reads the file of a root CA: exactly one certificate, which may sign
// others. The error matches ErrPEM or ErrCA.
func ParseRoot(file []byte) (*x509.Certificate, error) {
	all, err := ParseCertificates(file)
	switch {
	case err != nil:
		return nil, err
	case len(all) > 1:
		return nil, fmt.Errorf("%w: it has %d certificates, a root CA is one", ErrPEM, len(all))
	}
	root := all[0]
	if !isCA(root) || root.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fmt.Errorf("%w: certificate %q is not that of a CA", ErrCA, subjectText(root))
	}
	if unknown := root.UnhandledCriticalExtensions; len(unknown) > 0 {
		return nil, fmt.Errorf("%w: certificate %q has a critical extension that is unknown here: %v", ErrCA, subjectText(root), unknown[0])
	}
	return root, nil
}

// CertificatesPEM returns the file of certificates.
func CertificatesPEM(all ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range all {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw}))
	}
	return b.Bytes()
}

// DER returns the certificates of a chain as [Verify] takes them.
func DER(all []*x509.Certificate) [][]byte {
	ders := make([][]byte, len(all))
	for i, c := range all {
		ders[i] = c.Raw
	}
	return ders
}

// FileName returns the name of the file of a certificate: its common name and
// ".pem". The error matches ErrName where that is no name for a file.
func FileName(c *x509.Certificate) (string, error) {
	names := commonNames(c.Subject)
	if len(names) != 1 || checkCommonName(names[0]) != nil || strings.HasPrefix(names[0], "..") {
		return "", fmt.Errorf("%w: %q is no name for a file", ErrName, subjectText(c))
	}
	return names[0] + ".pem", nil
}

// selfSigned reports whether a certificate names its own key as its issuer's.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(c) == nil
}
