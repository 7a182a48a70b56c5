package keyring

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"albatross/internal/pki"
	"albatross/internal/steps"
)

// begunText is in a directory from before its first key is made until it is complete.
// So a key that nothing else is beside is told from one that waits for its
// certificate, as that of a delegate does, and is of no use to anybody yet.
const begunText = "This directory is not complete: albatross ca create was interrupted.\nThe same command, given again, goes on where it stopped.\n"

// Make makes the directory of a new root CA, or goes on with one that was begun and is
// not finished: whatever is there already stays, the name of the CA included. The
// error matches fs.ErrExist if there is something else. Every step of it and of what
// else is made until [Directory.Finish] is told.
func Make(path, name string, t pki.KeyType, v pki.Validity, told steps.Steps) (d *Directory, resumed bool, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, false, wrong(path, err)
	}
	d = &Directory{Path: path, steps: told}
	d.steps.Done("directory made")
	release, err := d.lock()
	if err != nil {
		return nil, false, err
	}
	defer release()
	resumed = exists(d.File(begunFile))
	if !resumed {
		err = d.begin(name, v)
	}
	if err == nil {
		err = d.removeLeftovers()
	}
	if err == nil {
		err = d.makeRoot(name, t, v)
	}
	if err != nil {
		return nil, false, err
	}
	return d, resumed, nil
}

// Finish says that the directory is complete.
func (d *Directory) Finish() error {
	if err := os.Remove(d.File(begunFile)); err != nil {
		return wrong(d.File(begunFile), err)
	}
	return wrong(d.Path, syncDir(d.Path))
}

// begin marks a directory without a CA as one that gets it. For what cannot be made,
// nothing is.
func (d *Directory) begin(name string, v pki.Validity) error {
	for _, file := range []string{CAFile, RootFile, CAKey} {
		if _, err := os.Lstat(d.File(file)); err == nil {
			return wrong(d.File(file), fs.ErrExist)
		}
	}
	trial, err := pki.GenerateKey(pki.Ed25519)
	if err != nil {
		return err
	}
	if _, err := pki.MakeRoot(name, trial, v); err != nil {
		return err
	}
	if err := Create(d.File(begunFile), []byte(begunText), Public); err != nil {
		return err
	}
	d.steps.Done("begun")
	return nil
}

// removeLeftovers removes what an interrupted write has left: it may be a key.
func (d *Directory) removeLeftovers() error {
	for _, name := range []string{begunFile, CAKey, CAFile, RootFile, ServerKey, ServerFile} {
		left, err := filepath.Glob(filepath.Join(d.Path, temporary(name)+"*"))
		if err != nil {
			return wrong(d.Path, err)
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return wrong(path, err)
			}
		}
	}
	return nil
}

// makeRoot makes what is missing of the CA itself.
func (d *Directory) makeRoot(name string, t pki.KeyType, v pki.Validity) error {
	key, _, err := KeyAt(d.File(CAKey), t)
	if err != nil {
		return err
	}
	d.steps.Done("key made")
	if exists(d.File(CAFile)) {
		d.CA, err = CA(d.File(CAFile), d.File(CAKey))
	} else if d.CA, err = pki.MakeRoot(name, key, v); err == nil {
		err = Create(d.File(CAFile), pki.CertificatesPEM(d.CA.Certificate()), Public)
	}
	if err != nil {
		return err
	}
	d.steps.Done("certificate made")
	d.Root = d.CA.Certificate()
	root, err := Root(d.File(RootFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = Create(d.File(RootFile), pki.CertificatesPEM(d.Root), Public)
	case err == nil && !bytes.Equal(root.Raw, d.Root.Raw):
		err = wrong(d.File(RootFile), errors.New("it is another CA than that of "+CAFile))
	}
	d.steps.Done("root CA made")
	return err
}

// CertifyServer signs the certificate of the host into its file, beside its key, which
// is made if there is none.
func (d *Directory) CertifyServer(r pki.Request, t pki.KeyType, v pki.Validity) (*x509.Certificate, error) {
	key, _, err := KeyAt(d.File(ServerKey), t)
	if err != nil {
		return nil, err
	}
	d.steps.Done("key of the server made")
	r.Public = key.Public()
	cert, err := d.Issue(r, v)
	if err != nil {
		return nil, err
	}
	if err := Replace(d.File(ServerFile), pki.CertificatesPEM(cert), Public); err != nil {
		return nil, err
	}
	d.steps.Done("certificate of the server made")
	return cert, nil
}
