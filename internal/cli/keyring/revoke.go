package keyring

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"albatross/internal/pki"
)

// ErrNotIssued tells that something is not, or not known to be, signed by a CA.
var ErrNotIssued = errors.New("not issued here")

// CRL returns the revocation list of the CA, or nil if it has none.
func (d *Directory) CRL() (*pki.CRL, error) {
	path := d.File(CRLFile)
	b, err := Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case d.Root == nil:
		return nil, fmt.Errorf("%w: a revocation list is checked by the root CA of the host", &FileError{d.File(RootFile), fs.ErrNotExist})
	}
	list, err := pki.ParseCRLFile(b, d.Root)
	if err == nil && list.Key != pki.KeyID(d.CA.Certificate()) {
		err = fmt.Errorf("%w: it is that of %q", pki.ErrCRLIssuer, list.Issuer)
	}
	return list, wrong(path, err)
}

// revoked returns since when certificates are revoked, by their serial numbers.
func (d *Directory) revoked() (map[string]time.Time, error) {
	list, err := d.CRL()
	if list == nil || err != nil {
		return nil, err
	}
	all := map[string]time.Time{}
	for _, e := range list.Entries {
		all[e.Serial] = e.At
	}
	return all, nil
}

// Revoke adds to the revocation list of the CA what it does not have yet, and
// writes it.
func (d *Directory) Revoke(entries []pki.Entry, now time.Time) (*pki.CRL, error) {
	release, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	previous, err := d.CRL()
	if err != nil {
		return nil, err
	}
	list, err := d.CA.Revoke(previous, entries, now, pki.CRLFor)
	if err != nil {
		return nil, err
	}
	return list, Replace(d.File(CRLFile), list.PEM(), Public)
}

// Find returns what the CA signed that a word means: all of a name that are not
// revoked, the one with a serial number, or the first certificate of a file. The
// error matches ErrNotIssued if there is none.
func (d *Directory) Find(word string) ([]Record, error) {
	all, err := d.Issued()
	if err != nil {
		return nil, err
	}
	named := slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return !strings.EqualFold(r.Name, word) || !r.Revoked.IsZero() })
	if len(named) > 0 {
		return named, nil
	}
	for _, r := range all {
		if strings.EqualFold(r.Serial, word) {
			return []Record{r}, nil
		}
	}
	if certs, err := Certificates(word); err == nil {
		r, err := d.own(certs[0])
		return []Record{r}, err
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if slices.ContainsFunc(all, func(r Record) bool { return strings.EqualFold(r.Name, word) }) {
		return nil, fmt.Errorf("%w: every certificate for %q is revoked already", ErrNotIssued, word)
	}
	return nil, fmt.Errorf("%w: %q is no name or serial number of a certificate that this CA signed, and no file", ErrNotIssued, word)
}

// own returns the record of a certificate that the CA signed, listed or not.
func (d *Directory) own(c *x509.Certificate) (Record, error) {
	about := pki.Describe(c)
	if err := c.CheckSignatureFrom(d.CA.Certificate()); err != nil {
		return Record{}, fmt.Errorf("%w: %s %q is signed by %q: its signer revokes it", ErrNotIssued, about.Kind, about.Subject, about.Issuer)
	}
	return Record{Issued: pki.Issued{Serial: about.Serial, Name: about.Subject}, Certificate: c}, nil
}
