package keyring

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"

	"albatross/internal/pki"
)

// Certificates reads the certificates in a file, in their order.
func Certificates(path string) ([]*x509.Certificate, error) {
	b, err := Read(path)
	if err != nil {
		return nil, err
	}
	all, err := pki.ParseCertificates(b)
	return all, wrong(path, err)
}

// Root reads the file of a root CA.
func Root(path string) (*x509.Certificate, error) {
	b, err := Read(path)
	if err != nil {
		return nil, err
	}
	c, err := pki.ParseRoot(b)
	return c, wrong(path, err)
}

// Request reads the file of a certificate signing request.
func Request(path string) (*pki.Request, error) {
	b, err := Read(path)
	if err != nil {
		return nil, err
	}
	r, err := pki.ParseRequest(b)
	return r, wrong(path, err)
}

// Key reads the file of a private key.
func Key(path string) (crypto.Signer, error) {
	b, err := Read(path)
	if err != nil {
		return nil, err
	}
	k, err := pki.ParseKey(b)
	return k, wrong(path, err)
}

// CA reads the files of a CA.
func CA(certificates, key string) (*pki.CA, error) {
	all, err := Certificates(certificates)
	if err != nil {
		return nil, err
	}
	k, err := Key(key)
	if err != nil {
		return nil, err
	}
	ca, err := pki.NewCA(all, k)
	if errors.Is(err, pki.ErrKey) {
		return nil, wrong(key, err)
	}
	return ca, wrong(certificates, err)
}

// KeyAt reads the private key in a file, or makes one there if the file does not
// exist. It reports whether it made one.
func KeyAt(path string, t pki.KeyType) (key crypto.Signer, made bool, err error) {
	key, err = Key(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	key, err = NewKey(path, t)
	return key, true, err
}

// NewKey makes a private key in a file that does not exist; the error matches
// fs.ErrExist if it does.
func NewKey(path string, t pki.KeyType) (crypto.Signer, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, wrong(path, fs.ErrExist)
	}
	key, err := pki.GenerateKey(t)
	if err != nil {
		return nil, err
	}
	b, err := pki.KeyPEM(key)
	if err != nil {
		return nil, err
	}
	return key, Create(path, b, Secret)
}
