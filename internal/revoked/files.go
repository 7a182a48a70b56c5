package revoked

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"albatross/internal/pki"
)

// fileName returns how the file of an issuer's list is named.
func fileName(issuer pki.Digest) string { return issuer.String() + ".pem" }

// take makes a set the known one and publishes the lists in it that have changed.
// What cannot be published is refused by albatrossd alone, and not by albatross-tls
// before; it is tried again with the next list.
func (l *Lists) take(set *pki.CRLs, changed ...pki.Digest) {
	l.known.Store(set)
	todo := append(l.unpublished, changed...)
	l.unpublished = nil
	for _, issuer := range todo {
		crl := set.Of(issuer)
		path := filepath.Join(l.public, fileName(issuer))
		if b, err := os.ReadFile(path); err == nil && string(b) == string(crl.PEM()) {
			continue
		}
		if err := writeDurably(path, crl.PEM(), 0o644); err != nil {
			l.log.Warn("cannot publish a revocation list", "issuer", crl.Issuer, "error", err)
			l.unpublished = append(l.unpublished, issuer)
		}
	}
}

// removeStrangers removes published files that are not in the set, as those of
// another root CA that this host had.
func (l *Lists) removeStrangers() error {
	files, err := filepath.Glob(filepath.Join(l.public, "*.pem"))
	if err != nil {
		return fmt.Errorf("revocation lists: %w", err)
	}
	ours := map[string]bool{}
	for _, crl := range l.known.Load().All() {
		ours[fileName(crl.Key)] = true
	}
	for _, f := range files {
		if ours[filepath.Base(f)] {
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
