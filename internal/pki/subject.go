package pki

import (
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCommonName is the longest common name that X.509 allows.
const maxCommonName = 64

// checkCommonName refuses what cannot be the common name of a root or a server, nor
// the name of its file.
func checkCommonName(s string) error {
	switch {
	case s == "":
		return errors.New("the common name is empty")
	case utf8.RuneCountInString(s) > maxCommonName:
		return fmt.Errorf("the common name has more than %d characters", maxCommonName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) }):
		return fmt.Errorf("the common name %q has a slash or what cannot be printed", s)
	}
	return nil
}

// subject returns the DER of a subject with a common name, none if it is empty. It
// is always a UTF8String: Albatross writes it so when it names the issuer of what
// it signs, and names are compared by their bytes.
func subject(commonName string) ([]byte, error) {
	var name pkix.RDNSequence
	if commonName != "" {
		value := asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(commonName)}
		name = pkix.RDNSequence{{{Type: oidCommonName, Value: value}}}
	}
	return asn1.Marshal(name)
}

// keyIdentifier returns the SHA-1 of the bits of a public key, which stands in
// certificates to help finding issuers. Nothing relies on it.
func keyIdentifier(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	sum := sha1.Sum(info.Key.Bytes)
	return sum[:], nil
}
