// Package revoked keeps the revocation lists of a host: a file for each issuer,
// whoever put it there.
//
//	DBDIR/crl/ANY.pem      by hand, or a list that came with a signed command,
//	   │                   named by its issuer's key
//	   │ newest of each issuer, checked up to the root CA
//	   ▼
//	pki.CRLs               what daemons ask, without a restart
//	   │
//	   ▼
//	TMPDIR/crl/KEY.pem     for albatross-tls, which may not read DBDIR
//
// A file that is no list, or not one of an issuer below the root CA, is told in
// the log and has no effect. A list, once known, stays in force until a newer one
// of its issuer comes, even if its file is gone: else a deleted file would
// restore what was revoked. That ends with the process.
package revoked

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"albatross/internal/pki"
)

// Limits of what is kept: a delegate can make as many issuers as it likes.
const (
	MaxLists = 1024
	MaxSize  = 1 << 20 // bytes of a file
)

// ErrFull tells that there are too many issuers.
var ErrFull = errors.New("this host knows too many revocation lists")

// Lists is the set of revocation lists of a host. Its methods may be called from
// any goroutine.
type Lists struct {
	dir, public string
	root        *x509.Certificate
	log         *slog.Logger
	known       atomic.Pointer[pki.CRLs]

	mu   sync.Mutex           // held while lists change
	seen map[string]fileState // guarded by mu; files that were read
}

// fileState tells whether a file has changed.
type fileState struct {
	size    int64
	changed int64 // nanoseconds
}

// Open reads the lists in dir, which is made if it does not exist, and publishes
// them in the directory public.
func Open(dir, public string, root *x509.Certificate, log *slog.Logger) (*Lists, error) {
	l := &Lists{dir: dir, public: public, root: root, log: log, seen: map[string]fileState{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("revocation lists: %w", err)
	}
	if err := os.MkdirAll(public, 0o755); err != nil {
		return nil, fmt.Errorf("revocation lists: %w", err)
	}
	for _, d := range []string{dir, public} {
		leftovers, _ := filepath.Glob(filepath.Join(d, temporary)) // fails for bad patterns only
		for _, f := range leftovers {
			if err := os.Remove(f); err != nil {
				return nil, fmt.Errorf("revocation lists: %w", err)
			}
		}
	}
	_, err := l.Refresh()
	return l, err
}

// Set returns the lists that are known now.
func (l *Lists) Set() *pki.CRLs { return l.known.Load() }

// Add takes a list, durably. It reports whether that is news. The error is
// [pki.ErrCRLOld] for one that is older than the known one, or [ErrFull].
func (l *Lists) Add(crl *pki.CRL) (news bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.known.Load()
	after, err := before.With(crl)
	if err != nil {
		return false, err
	}
	if known := before.Of(crl.Key); known != nil && known.Number.Cmp(crl.Number) == 0 {
		return false, nil
	} else if known == nil && len(before.All()) >= MaxLists {
		return false, ErrFull
	}
	if len(crl.PEM()) > MaxSize {
		return false, fmt.Errorf("%w: it has %d bytes, the limit is %d", pki.ErrCRL, len(crl.PEM()), MaxSize)
	}
	path := filepath.Join(l.dir, crl.Key.String()+".pem")
	if err := writeDurably(path, crl.PEM(), 0o600); err != nil {
		return false, fmt.Errorf("revocation list of %s: %w", crl.Issuer, err)
	}
	l.take(after)
	return true, nil
}

// Refresh reads files that are new or have changed. It reports whether that
// brought news.
func (l *Lists) Refresh() (news bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return false, fmt.Errorf("revocation lists: %w", err)
	}
	after := l.known.Load()
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".pem") || !l.changed(e) {
			continue
		}
		next, err := l.read(after, filepath.Join(l.dir, e.Name()))
		switch {
		case errors.Is(err, pki.ErrCRLOld): // a newer one came by another way
		case err != nil:
			l.log.Warn("a file is no revocation list for this host", "file", e.Name(), "error", err)
		case next != after:
			after, news = next, true
		}
	}
	if news {
		l.take(after)
	}
	return news, nil
}

// changed reports whether a file was not read as it is now.
func (l *Lists) changed(e fs.DirEntry) bool {
	info, err := e.Info()
	if err != nil {
		return false // it is gone
	}
	now := fileState{info.Size(), info.ModTime().UnixNano()}
	if l.seen[e.Name()] == now {
		return false
	}
	l.seen[e.Name()] = now
	return true
}

// read returns the set with the list in a file.
func (l *Lists) read(set *pki.CRLs, path string) (*pki.CRLs, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxSize {
		return nil, fmt.Errorf("it is no regular file of at most %d bytes", MaxSize)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	crl, err := pki.ParseCRLFile(b, l.root)
	if err != nil {
		return nil, err
	}
	known := set.Of(crl.Key)
	if known == nil && len(set.All()) >= MaxLists {
		return nil, ErrFull
	}
	if known != nil && known.Number.Cmp(crl.Number) == 0 {
		return set, nil
	}
	return set.With(crl)
}

// take makes a set the known one and publishes it. What cannot be published is
// refused by albatrossd alone, and not by albatross-tls before.
func (l *Lists) take(set *pki.CRLs) {
	l.known.Store(set)
	for _, crl := range set.All() {
		path := filepath.Join(l.public, crl.Key.String()+".pem")
		if b, err := os.ReadFile(path); err == nil && string(b) == string(crl.PEM()) {
			continue
		}
		if err := writeDurably(path, crl.PEM(), 0o644); err != nil {
			l.log.Warn("cannot publish a revocation list", "issuer", crl.Issuer, "error", err)
		}
	}
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
