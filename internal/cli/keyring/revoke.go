package keyring

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"albatross/internal/pki"
)

// CRL returns the revocation list of the CA, or nil if it has revoked nothing. Where
// its file was lost, or lacks what was revoked, it is made again.
func (d *Directory) CRL(now time.Time) (*pki.CRL, error) {
	release, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	list, noted, err := d.revocations()
	if err != nil || hasAll(list, noted) {
		return list, err
	}
	return d.makeList(list, noted, now)
}

// Revoke adds to what the CA has revoked, and writes the list with all of it.
func (d *Directory) Revoke(entries []pki.Entry, now time.Time) (*pki.CRL, error) {
	release, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	list, noted, err := d.revocations()
	if err != nil {
		return nil, err
	}
	entries = slices.Clone(entries)
	for i := range entries {
		if entries[i].At.IsZero() {
			entries[i].At = now
		}
	}
	return d.makeList(list, noted.with(entries), now)
}

// Listed returns what a revocation list of the CA in a file of any name revokes, as
// one that a host has kept; false if there is no such file, or it has no list.
func (d *Directory) Listed(path string) ([]pki.Entry, bool, error) {
	b, err := Read(path)
	if err != nil || !bytes.Contains(b, []byte("-----BEGIN X509 CRL-----")) {
		return nil, false, nil
	}
	list, err := d.parseList(path, b)
	if err != nil {
		return nil, true, err
	}
	return list.Entries, true, nil
}

// revocations returns the list of the CA as its file has it, nil without one, and all
// that was revoked.
func (d *Directory) revocations() (*pki.CRL, notes, error) {
	noted, err := d.notes()
	if err != nil {
		return nil, nil, err
	}
	path := d.File(CRLFile)
	b, err := Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noted, nil
	case err != nil:
		return nil, nil, err
	}
	list, err := d.parseList(path, b)
	if err != nil {
		return nil, nil, err
	}
	return list, noted.with(list.Entries), nil
}

// parseList reads a list and makes sure that it is one of the CA.
func (d *Directory) parseList(path string, file []byte) (*pki.CRL, error) {
	if d.Root == nil {
		return nil, fmt.Errorf("%w: a revocation list is checked by the root CA of the host", &FileError{d.File(RootFile), fs.ErrNotExist})
	}
	crl, err := pki.ParseCRLFile(file, d.Root)
	if err == nil && crl.Key != pki.KeyID(d.CA.Certificate()) {
		err = fmt.Errorf("%w: it is that of %q", pki.ErrCRLIssuer, crl.Issuer)
	}
	return crl, wrong(path, err)
}

// makeList writes the next list with all that was revoked, which it notes first: what
// a list leaves out because the one before was lost would be valid again.
func (d *Directory) makeList(previous *pki.CRL, all notes, now time.Time) (*pki.CRL, error) {
	next, err := d.CA.Revoke(previous, all, now, pki.CRLFor)
	if err != nil {
		return nil, err
	}
	if err := Replace(d.File(revokedFile), all.file(), Public); err != nil {
		return nil, err
	}
	return next, Replace(d.File(CRLFile), next.PEM(), Public)
}

// revoked returns since when certificates are revoked, by their serial numbers.
func (d *Directory) revoked() (map[string]time.Time, error) {
	_, noted, err := d.revocations()
	all := map[string]time.Time{}
	for _, e := range noted {
		all[e.Serial] = e.At
	}
	return all, err
}

// hasAll reports whether a list, or none, has everything that was revoked.
func hasAll(list *pki.CRL, all notes) bool {
	var have notes
	if list != nil {
		have = list.Entries
	}
	return len(have.with(all)) == len(have)
}

// notes are what the CA has revoked, the oldest first.
type notes []pki.Entry

// with returns the notes with more, as far as those certificates are not among them.
func (n notes) with(more []pki.Entry) notes {
	all, known := slices.Clone(n), map[string]bool{}
	for _, e := range n {
		known[e.Serial] = true
	}
	for _, e := range more {
		if !known[e.Serial] {
			known[e.Serial] = true
			all = append(all, e)
		}
	}
	return all
}

// file returns the notes as a file: the serial number, the time and the number of the
// reason of each in a line.
func (n notes) file() []byte {
	var b bytes.Buffer
	for _, e := range n {
		fmt.Fprintf(&b, "%s %s %d\n", e.Serial, e.At.UTC().Format(time.RFC3339), e.Reason)
	}
	return b.Bytes()
}

// notes reads the file of them.
func (d *Directory) notes() (notes, error) {
	path := d.File(revokedFile)
	b, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []pki.Entry
	for line := range strings.Lines(string(b)) {
		e, err := parseNote(line)
		if err != nil {
			return nil, wrong(path, fmt.Errorf("line %d tells of nothing that was revoked: %w", len(all)+1, err))
		}
		all = append(all, e)
	}
	return notes(nil).with(all), nil
}

func parseNote(line string) (e pki.Entry, err error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return e, errors.New("it has no serial number, time and reason")
	}
	serial, err := pki.ParseSerial(fields[0])
	if err != nil {
		return e, err
	}
	e.Serial = hex.EncodeToString(serial.FillBytes(make([]byte, max(1, (serial.BitLen()+7)/8)))) // as lists have it
	if e.At, err = time.Parse(time.RFC3339, fields[1]); err != nil {
		return e, err
	}
	e.Reason, err = strconv.Atoi(fields[2])
	return e, err
}
