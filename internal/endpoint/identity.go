package endpoint

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"albatross/internal/pki"
)

// LoadRoot reads the file of the root CA.
func LoadRoot(file string) (*x509.Certificate, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificate of the root CA: %w", err)
	}
	root, err := pki.ParseRoot(b)
	if err != nil {
		return nil, fmt.Errorf("certificate of the root CA: %s: %w", file, err)
	}
	return root, nil
}

// lookPause is between two looks at the files of an Identity, however many clients
// come.
const lookPause = time.Second

// Identity is the server's certificate and private key, in files that are read again
// when they change: a certificate that was renewed needs no restart. The two are taken
// together, or not at all: while they do not fit, as when one of them was replaced
// and the other not yet, or clients would refuse what they would have believed before,
// the ones from before stay in use.
type Identity struct {
	log              *slog.Logger
	certificate, key string // files
	root             *x509.Certificate
	now              func() time.Time

	current atomic.Pointer[tls.Certificate]

	looking sync.Mutex // held while the files are looked at; guards what follows
	looked  time.Time
	found   [2][]byte         // what the files had when the certificate in use was read
	told    bool              // the log was told that what they have now does not fit
	problem [sha256.Size]byte // of what they had then
}

// LoadIdentity reads the files of the server's certificate, which those that signed
// it may follow, and of its private key. It warns if clients will not believe the
// certificate, or if others can read the key.
func LoadIdentity(log *slog.Logger, certificate, key string, root *x509.Certificate, now func() time.Time) (*Identity, error) {
	i := &Identity{log: log, certificate: certificate, key: key, root: root, now: now, looked: now()}
	next, found, err := i.read()
	if err != nil {
		return nil, err
	}
	if err := i.check(next); err != nil {
		log.Warn("clients will refuse the certificate of the server", "file", certificate, "reason", err)
	}
	i.found = found
	i.current.Store(next)
	return i, nil
}

// Current returns what is to be presented now. It does not change.
func (i *Identity) Current() *tls.Certificate {
	if i.looking.TryLock() { // else somebody looks, and others need not wait
		if now := i.now(); now.Sub(i.looked) >= lookPause || now.Before(i.looked) {
			i.looked = now
			i.look()
		}
		i.looking.Unlock()
	}
	return i.current.Load()
}

// look takes what the files have now, if that is something else and it fits.
func (i *Identity) look() {
	next, found, err := i.read()
	if err == nil && slices.EqualFunc(found[:], i.found[:], bytes.Equal) {
		i.told = false
		return
	}
	if err == nil {
		if err = i.check(next); err != nil && i.check(i.current.Load()) != nil {
			err = nil // the one in use is no better
		}
	}
	if err != nil {
		what := sha256.Sum256(bytes.Join(found[:], []byte{0}))
		if !i.told || i.problem != what {
			i.told, i.problem = true, what
			i.log.Warn("the certificate of the server has changed, but does not fit: the one from before stays in use", "reason", err)
		}
		return
	}
	i.told, i.found = false, found
	i.current.Store(next)
	i.log.Info("the certificate of the server has changed", "file", i.certificate, "serial", pki.Describe(next.Leaf).Serial, "until", next.Leaf.NotAfter)
}

// check tells whether clients will believe a certificate now.
func (i *Identity) check(c *tls.Certificate) error {
	return pki.VerifyServer(c.Certificate, i.root, "", i.now(), nil)
}

// read reads the two files, and makes sure that they belong together.
func (i *Identity) read() (_ *tls.Certificate, found [2][]byte, err error) {
	if found[0], err = os.ReadFile(i.certificate); err != nil {
		return nil, found, fmt.Errorf("certificate of the server: %w", err)
	}
	chain, err := pki.ParseCertificates(found[0])
	if err != nil {
		return nil, found, fmt.Errorf("certificate of the server: %s: %w", i.certificate, err)
	}
	private, file, err := i.readKey()
	if err != nil {
		return nil, found, err
	}
	found[1] = file
	public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(chain[0].PublicKey) {
		return nil, found, fmt.Errorf("private key of the server: %s does not belong to the certificate %s", i.key, i.certificate)
	}
	return &tls.Certificate{Certificate: pki.DER(chain), PrivateKey: private, Leaf: chain[0]}, found, nil
}

func (i *Identity) readKey() (crypto.Signer, []byte, error) {
	info, err := os.Stat(i.key)
	if err != nil {
		return nil, nil, fmt.Errorf("private key of the server: %w", err)
	}
	b, err := os.ReadFile(i.key)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, fmt.Errorf("private key of the server: %w: make the user that albatross-tls runs as (uid %d) its owner", err, os.Getuid())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("private key of the server: %w", err)
	}
	key, err := pki.ParseKey(b)
	if err != nil {
		return nil, nil, fmt.Errorf("private key of the server: %s: %w", i.key, err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 && !bytes.Equal(b, i.found[1]) {
		i.log.Warn("everyone on this host may use the private key of the server: chmod 600 would keep it secret", "file", i.key, "mode", mode)
	}
	return key, b, nil
}
