package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"albatross/internal/wire"
)

// Request is what a certificate is asked for, with or without a signing request in
// between.
type Request struct {
	Name    string           // common name: the label of a delegation, the last label of a command ("." or ":" or empty: the path), or a server's name
	Command wire.Command     // PolicyAdd: a delegation; nil: a server certificate
	Content *Content         // what follows a create or block set; nil: not signed, or nothing
	Once    bool             // the host is to obey it once, however long it is valid; ten minutes at most
	Hosts   []string         // of a server: DNS names and IP addresses; may be empty
	Public  crypto.PublicKey // whose certificate it will be
}

// DefaultFor returns how long the certificate lasts unless said otherwise.
func (r Request) DefaultFor() time.Duration {
	switch {
	case r.Command == nil:
		return ServerFor
	case r.delegates():
		return DelegationFor
	}
	return CommandFor
}

// PEM returns the file of a certificate signing request for r, which is signed by
// key; its public key replaces that of r. What no CA may sign is refused as
// [CA.Sign] does.
func (r Request) PEM(key crypto.Signer) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	t := &x509.CertificateRequest{}
	var err error
	if t.RawSubject, err = subject(r.Name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrName, err)
	}
	if t.ExtraExtensions, err = r.statement().extensions(); err != nil {
		return nil, err
	}
	names, addresses, err := r.hosts()
	if err != nil {
		return nil, err
	}
	t.DNSNames = names
	for _, a := range addresses {
		t.IPAddresses = append(t.IPAddresses, a)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: der}), nil
}

// ParseRequest reads the file of a certificate signing request, which must be signed
// by the key that it is for. Whether a CA may sign it is asked by [CA.Sign]. The
// error matches ErrPEM, ErrRequest, ErrName, ErrExtension or ErrVersion.
func ParseRequest(file []byte) (*Request, error) {
	der, err := onlyBlock(file, pemRequest)
	if err != nil {
		return nil, err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: it is not signed by its own key: %w", ErrRequest, err)
	}
	said, err := statementOf(csr.Extensions)
	if err != nil {
		return nil, err
	}
	r := &Request{Command: said.command, Content: said.content, Once: said.once, Public: csr.PublicKey}
	switch names := commonNames(csr.Subject); {
	case len(names) > 1:
		return nil, fmt.Errorf("%w: it has %d common names, one is allowed", ErrName, len(names))
	case len(names) == 1:
		r.Name = names[0]
	}
	r.Hosts = append(r.Hosts, csr.DNSNames...)
	for _, a := range csr.IPAddresses {
		r.Hosts = append(r.Hosts, a.String())
	}
	return r, nil
}
