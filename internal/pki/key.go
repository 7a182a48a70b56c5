package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// KeyType is a kind of private key, as the command line spells it.
type KeyType string

// The types of keys that are made.
const (
	Ed25519 KeyType = "ed25519" // the default
	RSA2048 KeyType = "rsa2048"
	RSA4096 KeyType = "rsa4096"
	P256    KeyType = "p256"
	P384    KeyType = "p384"
	P521    KeyType = "p521"
)

// KeyTypes returns all of them, the default first.
func KeyTypes() []KeyType { return []KeyType{Ed25519, RSA2048, RSA4096, P256, P384, P521} }

// GenerateKey makes a private key. The error matches ErrKey.
func GenerateKey(t KeyType) (crypto.Signer, error) {
	switch t {
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("%w: type %q is unknown, it may be one of %v", ErrKey, t, KeyTypes())
}

// TypeOf returns the type of a public key, which may be one that GenerateKey does
// not make: rsa3072, p224; or empty.
func TypeOf(public crypto.PublicKey) KeyType {
	switch k := public.(type) {
	case ed25519.PublicKey:
		return Ed25519
	case *rsa.PublicKey:
		return KeyType(fmt.Sprintf("rsa%d", k.N.BitLen()))
	case *ecdsa.PublicKey:
		return KeyType(fmt.Sprintf("p%d", k.Curve.Params().BitSize))
	}
	return ""
}

// The types of PEM blocks.
const (
	pemKey         = "PRIVATE KEY"
	pemRSAKey      = "RSA PRIVATE KEY"
	pemECKey       = "EC PRIVATE KEY"
	pemCertificate = "CERTIFICATE"
	pemRequest     = "CERTIFICATE REQUEST"
	pemCRL         = "X509 CRL"
)

// KeyPEM returns the file of a private key: PKCS #8.
func KeyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

// ParseKey reads the file of a private key: PKCS #8, or the older forms of RSA and
// EC keys. It must hold exactly one. The error matches ErrKey.
func ParseKey(file []byte) (crypto.Signer, error) {
	var found crypto.Signer
	for _, b := range blocks(file) {
		key, err := parseKeyBlock(b)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		case key != nil && found != nil:
			return nil, fmt.Errorf("%w: the file has more than one private key", ErrKey)
		case key != nil:
			found = key
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: the file has no private key in PEM form", ErrKey)
	}
	return found, nil
}

// parseKeyBlock returns nil for a block that is no key.
func parseKeyBlock(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch b.Type {
	case pemKey:
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case pemRSAKey:
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case pemECKey:
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("the key is encrypted: decrypt it with \"openssl pkey\" first")
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// samePublic reports whether two public keys are the same.
func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
