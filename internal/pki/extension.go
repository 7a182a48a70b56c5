package pki

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"albatross/internal/wire"
)

// The object identifiers of the extensions: see the package comment.
var (
	OIDCommand = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 49836, 42}
	OIDContent = asn1.ObjectIdentifier{2, 25, 39472736}
	OIDOnce    = asn1.ObjectIdentifier{2, 25, 1874620153}
)

// isOwn reports whether an extension is handled by this package.
func isOwn(oid asn1.ObjectIdentifier) bool {
	return oid.Equal(OIDCommand) || oid.Equal(OIDContent) || oid.Equal(OIDOnce)
}

// Content is what follows a command as raw frames: the image of a create, or what a
// block device is to begin with. Both fields are of it unpacked.
type Content struct {
	Digest Digest // SHA-256
	Size   int64  // bytes
}

// statement is what the extensions of a certificate or a request say.
type statement struct {
	command wire.Command // nil: there is none
	content *Content     // nil: what follows is not signed, or nothing does
	once    bool         // it is to be obeyed once
}

// statementOf reads the extensions. The error matches ErrExtension or ErrVersion and
// is no *Error yet.
func statementOf(extensions []pkix.Extension) (statement, error) {
	var s statement
	for _, e := range extensions {
		var err error
		switch {
		case e.Id.Equal(OIDCommand):
			s.command, err = parseCommand(e.Value)
		case e.Id.Equal(OIDContent):
			s.content, err = parseContent(e.Value)
		case e.Id.Equal(OIDOnce):
			s.once, err = true, parseOnce(e.Value)
		}
		if err != nil {
			return statement{}, err
		}
	}
	if err := s.check(); err != nil {
		return statement{}, fmt.Errorf("%w: %w", ErrExtension, err)
	}
	return s, nil
}

// check refuses what says nothing without something else.
func (s statement) check() error {
	switch _, delegates := s.command.(wire.PolicyAdd); {
	case s.content != nil && !streams(s.command):
		return errors.New("it says what follows the command, but nothing follows")
	case s.once && (s.command == nil || delegates):
		return errors.New("it is for one use, but carries no command that could be obeyed")
	}
	return nil
}

// streams reports whether something follows a command as raw frames: the image of a
// create, or what a block device is to hold.
func streams(c wire.Command) bool {
	switch c := c.(type) {
	case wire.UnikernelCreate:
		return len(c.Image) == 0
	case wire.BlockSet:
		return true
	}
	return false
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

// contentDER is the form of Content.
type contentDER struct {
	Digest []byte
	Size   int64
}

func parseContent(der []byte) (*Content, error) {
	var v contentDER
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return nil, fmt.Errorf("%w: what it says of the content that follows cannot be read: %w", ErrExtension, err)
	}
	if len(v.Digest) != len(Digest{}) || v.Size < 0 {
		return nil, fmt.Errorf("%w: the content that follows would have a digest of %d bytes and a size of %d", ErrExtension, len(v.Digest), v.Size)
	}
	c := &Content{Digest: Digest(v.Digest), Size: v.Size}
	// encoding/asn1 takes a SEQUENCE that goes on.
	if again, err := c.der(); err != nil || !bytes.Equal(again, der) {
		return nil, fmt.Errorf("%w: what it says of the content that follows is more than a digest and a size", ErrExtension)
	}
	return c, nil
}

func (c *Content) der() ([]byte, error) {
	return asn1.Marshal(contentDER{Digest: c.Digest[:], Size: c.Size})
}

func parseOnce(der []byte) error {
	if !bytes.Equal(der, asn1.NullBytes) {
		return fmt.Errorf("%w: the mark for one use is no NULL", ErrExtension)
	}
	return nil
}

// extensions returns the extensions that say s.
func (s statement) extensions() ([]pkix.Extension, error) {
	if s.command == nil {
		return nil, nil
	}
	value, err := wire.AppendExtension(nil, s.command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExtension, err)
	}
	all := []pkix.Extension{{Id: OIDCommand, Value: value}}
	if s.content != nil {
		value, err := s.content.der()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrExtension, err)
		}
		all = append(all, pkix.Extension{Id: OIDContent, Value: value})
	}
	if s.once {
		all = append(all, pkix.Extension{Id: OIDOnce, Value: asn1.NullBytes})
	}
	return all, nil
}
