package endpoint

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"albatross/internal/pki"
)

const (
	maxCRL  = 1 << 20 // bytes of the file of a list
	maxCRLs = 1 << 16 // entries of the directory; albatrossd keeps at most 96 lists for each delegation of the root CA
	// settled is how old a change must be before the time of a file can tell it
	// from a later one: the clock of a file system may be coarse.
	settled = 2 * time.Second
)

// CRLDir is a directory of revocation lists. It is read again when it has changed, so
// that a revocation needs no restart. Each file whose name does not begin with a dot
// holds one list as [pki.ParseCRLFile] takes it. What was read stays in force while the
// process runs, whatever happens to its file: see [pki.CRLs].
type CRLDir struct {
	log  *slog.Logger
	path string
	root *x509.Certificate

	mu     sync.Mutex         // guards what follows; held while files are read, for all wait for the same news
	known  map[string]crlFile // files that were read, by name
	failed string             // what was said of the directory
	lists  *pki.CRLs
}

// crlFile is what a file was when it was read.
type crlFile struct {
	size    int64
	changed time.Time
	read    time.Time
	digest  [sha256.Size]byte // of its content
	problem string            // why it could not be read
}

// same reports whether a file surely is what it was.
func (f crlFile) same(info fs.FileInfo) bool {
	return f.problem == "" && f.size == info.Size() && f.changed.Equal(info.ModTime()) && f.changed.Before(f.read.Add(-settled))
}

// NewCRLDir returns the directory at path, which need not exist yet, with lists of
// CAs below root.
func NewCRLDir(log *slog.Logger, path string, root *x509.Certificate) *CRLDir {
	return &CRLDir{log: log, path: path, root: root, known: map[string]crlFile{}}
}

// Current returns all lists as they are now. A nil CRLDir has none. What cannot be
// read is logged, once; other lists are not affected by it.
func (d *CRLDir) Current() *pki.CRLs {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	files, err := d.list()
	if err != nil {
		if d.failed != err.Error() {
			d.failed = err.Error()
			d.log.Error("cannot look for revocation lists: those known so far stay in force", "error", err)
		}
		return d.lists
	}
	d.failed = ""
	maps.DeleteFunc(d.known, func(name string, _ crlFile) bool { return files[name] == nil })
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !d.known[name].same(files[name]) {
			d.read(name, files[name])
		}
	}
	return d.lists
}

// list returns the files that should hold lists, by name.
func (d *CRLDir) list() (map[string]fs.FileInfo, error) {
	dir, err := os.Open(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // it was only read
	entries, err := dir.ReadDir(maxCRLs + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > maxCRLs {
		return nil, fmt.Errorf("there are more than %d files in %s", maxCRLs, d.path)
	}
	files := map[string]fs.FileInfo{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		// Links count as what they lead to. What is gone again is no list.
		if info, err := os.Stat(filepath.Join(d.path, e.Name())); err == nil && info.Mode().IsRegular() {
			files[e.Name()] = info
		}
	}
	return files, nil
}

// read takes the list in a file, if the file has other content than before.
func (d *CRLDir) read(name string, info fs.FileInfo) {
	now := crlFile{size: info.Size(), changed: info.ModTime(), read: time.Now()}
	b, err := d.content(name, info)
	if err != nil {
		now.problem = err.Error()
	}
	now.digest = sha256.Sum256(b)
	before, again := d.known[name]
	d.known[name] = now
	if again && before.digest == now.digest && before.problem == now.problem {
		return
	}
	if err == nil {
		err = d.add(b)
	}
	if err != nil {
		d.log.Error("revocation list not used", "file", filepath.Join(d.path, name), "error", err)
	}
}

// add puts a list in force.
func (d *CRLDir) add(file []byte) error {
	l, err := pki.ParseCRLFile(file, d.root)
	if err != nil {
		return err
	}
	next, err := d.lists.With(l)
	if err != nil || next == d.lists {
		return err
	}
	d.lists = next
	d.log.Info("revocation list in force", "issuer", l.Issuer, "number", l.Number, "entries", len(l.Entries))
	return nil
}

func (d *CRLDir) content(name string, info fs.FileInfo) ([]byte, error) {
	if info.Size() > maxCRL {
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", info.Size(), maxCRL)
	}
	f, err := os.Open(filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()             // it was only read
	return io.ReadAll(io.LimitReader(f, maxCRL)) // one that grew meanwhile is no whole list
}
