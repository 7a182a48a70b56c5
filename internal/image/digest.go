package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is the SHA-256 of an unpacked image. It names the image in the store,
// and is what Albatross reports as the digest of a unikernel.
type Digest [sha256.Size]byte

// String returns the digest as 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest is the inverse of Digest.String: it accepts that form only.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return Digest{}, fmt.Errorf("%q is not a SHA-256 digest: want %d hexadecimal digits", s, 2*len(d))
	}
	copy(d[:], b)
	if d.String() != s {
		return Digest{}, fmt.Errorf("%q is not a SHA-256 digest: want lower-case digits", s)
	}
	return d, nil
}

// MarshalText returns the form of String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the form of String.
func (d *Digest) UnmarshalText(text []byte) error {
	parsed, err := ParseDigest(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}
