// Package revoked keeps the revocation lists of a host, whoever put them there.
//
//	DBDIR/crl/ANY.pem       by hand
//	DBDIR/crl/KEY-SUM.pem   what came with a signed command or by hand, named by its
//	   │                    issuer's key and a part of its own SHA-256
//	   │ checked up to the root CA
//	   ▼
//	pki.CRLs                what daemons ask, without a restart
//	   │
//	   ▼
//	TMPDIR/crl/KEY-SUM.pem  for albatross-tls, which may not read DBDIR
//
// A file that is no list, or not one of an issuer below the root CA, is told in
// the log and has no effect.
//
// What is revoked stays so, restarts included: a list is kept until newer ones of its
// issuer have everything that it has, whatever becomes of the file that it came in.
// Else a CA that has lost its list, and begins another one, would take back what it
// revoked before. To undo a revocation, have the issuer sign another certificate.
//
// Newer lists of the root CA and of CAs that it signed itself are always taken, if
// they leave nothing out: their number is the root's to decide. Those of deeper CAs,
// of which a delegate can make as many as it likes, count for the delegation directly
// below the root that they belong to, so that nobody can use up what others need. See
// [MaxPerIssuer] and [MaxLists].
//
//	revoked.go  [Lists]
//	files.go    the directories
//	limits.go   how much is kept of whom
//
// The package vmmd imports it.
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
	dir   string
	root  *x509.Certificate
	log   *slog.Logger
	known atomic.Pointer[pki.CRLs]

	mu      sync.Mutex           // held while lists change; guards what follows
	seen    map[string]fileState // files that were read
	kept    shelf                // in dir
	public  shelf
	problem string // what the log was told of writing them
}

// fileState tells whether a file has changed.
type fileState struct {
	size    int64
	changed int64 // nanoseconds
}

// Open reads the lists in dir, which is made if it does not exist, and publishes
// them, and no others, in the directory public.
func Open(dir, public string, root *x509.Certificate, log *slog.Logger) (*Lists, error) {
	l := &Lists{
		dir: dir, root: root, log: log, seen: map[string]fileState{},
		kept: shelf{dir, 0o600, map[string]bool{}}, public: shelf{public, 0o644, map[string]bool{}},
	}
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
	return l, l.public.removeStrangers()
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
	if err := l.kept.put(after); err != nil {
		return false, err
	}
	l.known.Store(after)
	l.write(after)
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
	before := l.known.Load()
	after := before
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".pem") || !l.changed(e) {
			continue
		}
		next, err := l.read(after, e.Name())
		switch {
		case errors.Is(err, pki.ErrCRLOld): // newer ones have all of it
		case err != nil:
			l.log.Warn("a file is no revocation list for this host", "file", e.Name(), "error", err)
		default:
			after = next
		}
	}
	l.known.Store(after)
	if after != before || l.problem != "" {
		l.write(after)
	}
	return after != before, nil
}

// write writes a set, which is in force, to both directories. What cannot be written
// is tried again by Refresh: until then it does not outlast the process, or is
// refused by albatrossd alone, and not by albatross-tls before.
func (l *Lists) write(set *pki.CRLs) {
	err := errors.Join(l.kept.put(set), l.public.put(set))
	if err == nil {
		l.problem = ""
		return
	}
	if l.problem != err.Error() {
		l.problem = err.Error()
		l.log.Error("revocation lists are in force, but cannot be written", "error", err)
	}
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

// read returns the set with the list in a file. Whether its issuer is revoked is not
// asked: a restart shall not forget what was in force.
func (l *Lists) read(set *pki.CRLs, name string) (*pki.CRLs, error) {
	path := filepath.Join(l.dir, name)
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
	if name == fileName(crl) {
		l.kept.have[name] = true // to be removed once it is not needed
	}
	return with(set, crl)
}
