package endpoint

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
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

// LoadIdentity reads the files of the server's certificate, which those that signed
// it may follow, and of its private key. It warns if clients will not believe the
// certificate, or if others can read the key.
func LoadIdentity(log *slog.Logger, certificate, key string, root *x509.Certificate, now time.Time) (tls.Certificate, error) {
	b, err := os.ReadFile(certificate)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of the server: %w", err)
	}
	chain, err := pki.ParseCertificates(b)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of the server: %s: %w", certificate, err)
	}
	private, err := loadKey(log, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(chain[0].PublicKey) {
		return tls.Certificate{}, fmt.Errorf("private key of the server: %s does not belong to the certificate %s", key, certificate)
	}
	if err := pki.VerifyServer(pki.DER(chain), root, "", now, nil); err != nil {
		log.Warn("clients will refuse the certificate of the server", "file", certificate, "reason", err)
	}
	return tls.Certificate{Certificate: pki.DER(chain), PrivateKey: private, Leaf: chain[0]}, nil
}

func loadKey(log *slog.Logger, file string) (crypto.Signer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("private key of the server: %w", err)
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("private key of the server: %w: make the user that albatross-tls runs as (uid %d) its owner", err, os.Getuid())
	}
	if err != nil {
		return nil, fmt.Errorf("private key of the server: %w", err)
	}
	key, err := pki.ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("private key of the server: %s: %w", file, err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		log.Warn("everyone on this host may use the private key of the server: chmod 600 would keep it secret", "file", file, "mode", mode)
	}
	return key, nil
}
