package keyring

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"albatross/internal/pki"
)

// ErrNotIssued tells that something is not, or not known to be, signed by a CA.
var ErrNotIssued = errors.New("not issued here")

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
