package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"albatross/internal/wire"
)

// The object identifiers of the extensions: see the package comment.
var (
	OIDCommand     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 49836, 42}
	OIDImageDigest = asn1.ObjectIdentifier{2, 25, 39472736}
)

// isOwn reports whether an extension is handled by this package.
func isOwn(oid asn1.ObjectIdentifier) bool { return oid.Equal(OIDCommand) || oid.Equal(OIDImageDigest) }

// content is what the extensions of a certificate or a request say.
type content struct {
	command wire.Command // nil: there is none
	digest  *Digest
}

// contentOf reads the extensions. The error matches ErrExtension or ErrVersion and
// is no *Error yet.
func contentOf(extensions []pkix.Extension) (content, error) {
	var c content
	for _, e := range extensions {
		var err error
		switch {
		case e.Id.Equal(OIDCommand):
			c.command, err = parseCommand(e.Value)
		case e.Id.Equal(OIDImageDigest):
			c.digest, err = parseDigest(e.Value)
		}
		if err != nil {
			return content{}, err
		}
	}
	if c.digest != nil && !streams(c.command) {
		return content{}, fmt.Errorf("%w: it names the digest of an image but does not create a unikernel whose image follows", ErrExtension)
	}
	return c, nil
}

// streams reports whether the image of a create follows as raw frames.
func streams(c wire.Command) bool {
	create, ok := c.(wire.UnikernelCreate)
	return ok && len(create.Image) == 0
}

func parseCommand(der []byte) (wire.Command, error) {
	var outer struct {
		Version int
		Command asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &outer); err == nil && outer.Version != wire.Version {
		return nil, fmt.Errorf("%w: it has version %d, only %d is spoken here", ErrVersion, outer.Version, wire.Version)
	}
	c, err := wire.ParseExtension(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExtension, err)
	}
	return c, nil
}

func parseDigest(der []byte) (*Digest, error) {
	var octets []byte
	rest, err := asn1.Unmarshal(der, &octets)
	if err != nil || len(rest) > 0 || len(octets) != len(Digest{}) {
		return nil, fmt.Errorf("%w: the digest of its image is no OCTET STRING of %d bytes", ErrExtension, len(Digest{}))
	}
	return (*Digest)(octets), nil
}

// extensions returns the extensions that say c.
func (c content) extensions() ([]pkix.Extension, error) {
	if c.command == nil {
		return nil, nil
	}
	value, err := wire.AppendExtension(nil, c.command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExtension, err)
	}
	all := []pkix.Extension{{Id: OIDCommand, Value: value}}
	if c.digest != nil {
		value, err := asn1.Marshal(c.digest[:])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrExtension, err)
		}
		all = append(all, pkix.Extension{Id: OIDImageDigest, Value: value})
	}
	return all, nil
}
