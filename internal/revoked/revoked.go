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
//
// Lists of the root CA and of CAs that it signed itself are always taken: their
// number is the root's to decide. Those of deeper CAs, of which a delegate can make
// as many as it likes, count for the delegation directly below the root that they
// belong to, so that nobody can use up what others need. See [MaxLists].
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

// Lists is the set of revocation lists of a host. Its methods may be called from
// any goroutine.
type Lists struct {
	dir, public string
	root        *x509.Certificate
	log         *slog.Logger
	known       atomic.Pointer[pki.CRLs]

	mu          sync.Mutex           // held while lists change
	seen        map[string]fileState // guarded by mu; files that were read
	unpublished []pki.Digest         // guarded by mu; issuers whose lists are to be published
}

// fileState tells whether a file has changed.
type fileState struct {
	size    int64
	changed int64 // nanoseconds
}

// Open reads the lists in dir, which is made if it does not exist, and publishes
// them, and no others, in the directory public.
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
	if _, err := l.Refresh(); err != nil {
		return nil, err
	}
	return l, l.removeStrangers()
}

// Set returns the lists that are known now.
func (l *Lists) Set() *pki.CRLs { return l.known.Load() }

// Add takes a list, durably. It reports whether that is news. The error is that of
// [pki.ParseCRLFile] for a list that does not lead to the root CA, or matches
// [pki.ErrCRLOld] for one that is older than the known one, [pki.ErrRevoked] for
// one whose issuer is revoked, [pki.ErrCRL] for one that is too large or says
// nothing, or [ErrFull].
func (l *Lists) Add(crl *pki.CRL) (news bool, err error) {
	file := crl.PEM()
	if crl, err = pki.ParseCRLFile(file, l.root); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.known.Load()
	after, err := with(before, crl)
	if err != nil || after == before {
		return false, err
	}
	if err := worthKeeping(before, crl); err != nil {
		return false, err
	}
	path := filepath.Join(l.dir, fileName(crl.Key))
	if err := writeDurably(path, file, 0o600); err != nil {
		return false, fmt.Errorf("revocation list of %s: %w", crl.Issuer, err)
	}
	l.take(after, crl.Key)
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
	var changed []pki.Digest
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".pem") || !l.changed(e) {
			continue
		}
		next, issuer, err := l.read(after, filepath.Join(l.dir, e.Name()))
		switch {
		case errors.Is(err, pki.ErrCRLOld): // a newer one came by another way
		case err != nil:
			l.log.Warn("a file is no revocation list for this host", "file", e.Name(), "error", err)
		case next != after:
			after, changed = next, append(changed, issuer)
		}
	}
	if len(changed) > 0 {
		l.take(after, changed...)
	}
	return len(changed) > 0, nil
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

// read returns the set with the list in a file, and whose list that is. Whether its
// issuer is revoked is not asked: a restart shall not forget what was in force.
func (l *Lists) read(set *pki.CRLs, path string) (*pki.CRLs, pki.Digest, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, pki.Digest{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxSize {
		return nil, pki.Digest{}, fmt.Errorf("it is no regular file of at most %d bytes", MaxSize)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, pki.Digest{}, err
	}
	crl, err := pki.ParseCRLFile(b, l.root)
	if err != nil {
		return nil, pki.Digest{}, err
	}
	next, err := with(set, crl)
	return next, crl.Key, err
}
