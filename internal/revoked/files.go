package revoked

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"albatross/internal/pki"
)

// fileName returns how the file of a list is named that is written here: one
// issuer may have several, and none takes the place of another.
func fileName(crl *pki.CRL) string {
	sum := sha256.Sum256(crl.DER())
	return fmt.Sprintf("%s-%x.pem", crl.Key, sum[:8])
}

// shelf is a directory that has each list of a set in a file of its own.
type shelf struct {
	dir  string
	perm fs.FileMode
	have map[string]bool // files of this name are what they should be
}

// put writes the lists that are missing, durably, and then removes those that were
// written before and are not needed any more.
func (s *shelf) put(set *pki.CRLs) error {
	wanted := map[string]bool{}
	for _, crl := range set.All() {
		name := fileName(crl)
		wanted[name] = true
		if s.have[name] {
			continue
		}
		path := filepath.Join(s.dir, name)
		if b, err := os.ReadFile(path); err != nil || string(b) != string(crl.PEM()) {
			if err := writeDurably(path, crl.PEM(), s.perm); err != nil {
				return fmt.Errorf("revocation list of %s: %w", crl.Issuer, err)
			}
		}
		s.have[name] = true
	}
	for name := range s.have {
		if wanted[name] {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, name)); err == nil || errors.Is(err, fs.ErrNotExist) {
			delete(s.have, name) // else it is tried again: the file harms nobody
		}
	}
	return nil
}

// removeStrangers removes files that put did not write, as lists of another root CA
// that this host had.
func (s *shelf) removeStrangers() error {
	files, err := filepath.Glob(filepath.Join(s.dir, "*.pem"))
	if err != nil {
		return fmt.Errorf("revocation lists: %w", err)
	}
	for _, f := range files {
		if s.have[filepath.Base(f)] {
			continue
		}
		if err := os.Remove(f); err != nil {
			return fmt.Errorf("revocation lists: %w", err)
		}
	}
	return nil
}

// temporary is the pattern of files that a crash may leave.
const temporary = ".new-*"

// writeDurably puts a file in the place of the one at path.
func writeDurably(path string, b []byte, perm fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // renamed it is
	}
	return errors.Join(dir.Sync(), dir.Close())
}
