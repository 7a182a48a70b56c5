package keyring

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"albatross/internal/pki"
	"albatross/internal/steps"
)

// Files of a directory.
const (
	CAFile     = "ca.pem"
	CAKey      = "ca.key"
	RootFile   = "cacert.pem"
	ServerFile = "server.pem"
	ServerKey  = "server.key"
	CRLFile    = "crl.pem"

	issuedFile  = "issued.txt"
	issuedDir   = "issued"
	revokedFile = "revoked.txt"
	begunFile   = "unfinished.txt"
)

// Files returns where the certificates of a CA and its key are in a directory.
func Files(dir string) (certificates, key string) {
	certificates, key = filepath.Join(dir, CAFile), filepath.Join(dir, CAKey)
	if _, err := os.Stat(certificates); errors.Is(err, fs.ErrNotExist) {
		if root := filepath.Join(dir, RootFile); exists(root) {
			return root, key
		}
	}
	return certificates, key
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Directory is a CA with its files.
type Directory struct {
	Path string
	CA   *pki.CA
	Root *x509.Certificate // nil: there is no cacert.pem

	steps steps.Steps // of making it
}

// Open reads a directory.
func Open(path string) (*Directory, error) {
	ca, err := CA(Files(path))
	if err != nil {
		return nil, err
	}
	d := &Directory{Path: path, CA: ca}
	if d.Root, err = Root(d.File(RootFile)); errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	return d, err
}

// File returns the path of a file in the directory.
func (d *Directory) File(name string) string { return filepath.Join(d.Path, name) }

// lock keeps others from changing the directory until release is called.
func (d *Directory) lock() (release func(), err error) {
	f, err := os.Open(d.Path)
	if err != nil {
		return nil, wrong(d.Path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close() // it was only to be locked
		return nil, wrong(d.Path, err)
	}
	return func() { _ = f.Close() }, nil // which unlocks it
}

// Issue signs and records a certificate, which lasts no longer than the CA.
func (d *Directory) Issue(r pki.Request, v pki.Validity) (*x509.Certificate, error) {
	if end := d.CA.Certificate().NotAfter; v.Until.After(end) {
		v.Until = end
	}
	cert, err := d.CA.Sign(r, v)
	if err != nil {
		return nil, err
	}
	release, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := os.MkdirAll(d.File(issuedDir), 0o755); err != nil {
		return nil, wrong(d.File(issuedDir), err)
	}
	if err := Create(d.copyOf(pki.Describe(cert).Serial), pki.CertificatesPEM(cert), Public); err != nil {
		return nil, err
	}
	d.steps.Done("certificate kept")
	if err := Append(d.File(issuedFile), pki.IssuedLine(cert)); err != nil {
		return nil, err
	}
	d.steps.Done("certificate listed")
	return cert, nil
}

func (d *Directory) copyOf(serial string) string {
	return filepath.Join(d.File(issuedDir), serial+".pem")
}

// Record is a certificate that the CA signed.
type Record struct {
	pki.Issued
	Certificate *x509.Certificate // nil: it was not kept
	Revoked     time.Time         // zero: it is not
}

// Issued returns what the CA signed, the oldest first.
func (d *Directory) Issued() ([]Record, error) {
	b, err := Read(d.File(issuedFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	issued, err := pki.ParseIssued(b)
	if err != nil {
		return nil, wrong(d.File(issuedFile), err)
	}
	revoked, err := d.revoked()
	if err != nil {
		return nil, err
	}
	all := make([]Record, len(issued))
	for i, one := range issued {
		all[i] = Record{Issued: one, Revoked: revoked[one.Serial]}
		certs, err := Certificates(d.copyOf(one.Serial))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			all[i].Certificate = certs[0]
		}
	}
	return all, nil
}

// Delegated writes the directory of a delegate: its certificate, those above it and
// the root CA.
func (d *Directory) Delegated(path string, cert *x509.Certificate) error {
	if d.Root == nil {
		return fmt.Errorf("%w: a delegate needs the root CA of the host", &FileError{d.File(RootFile), fs.ErrNotExist})
	}
	root := filepath.Join(path, RootFile)
	if old, err := Root(root); err == nil && !bytes.Equal(old.Raw, d.Root.Raw) {
		return &FileError{root, fmt.Errorf("it is another root CA than that of %s", d.Path)}
	}
	chain := append([]*x509.Certificate{cert}, d.CA.Above()...)
	if err := Replace(filepath.Join(path, CAFile), pki.CertificatesPEM(chain...), Public); err != nil {
		return err
	}
	return Replace(root, pki.CertificatesPEM(d.Root), Public)
}
