package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Why a chain is refused. Every [Error] of [Verify] and [VerifyServer] wraps one of
// them.
var (
	ErrMalformed   = errors.New("certificate cannot be read")
	ErrTooLong     = errors.New("certificate chain is too long")
	ErrOrder       = errors.New("certificate chain is in the wrong order")
	ErrRoot        = errors.New("certificate chain does not lead to the root CA")
	ErrSignature   = errors.New("certificate has a wrong signature")
	ErrNotYetValid = errors.New("certificate is not yet valid")
	ErrExpired     = errors.New("certificate has expired")
	ErrUsage       = errors.New("certificate is not made for this use")
	ErrRevoked     = errors.New("certificate is revoked")
	ErrExtension   = errors.New("extension of the certificate cannot be read")
	ErrVersion     = errors.New("certificate speaks another version of the protocol")
	ErrNoCommand   = errors.New("leaf certificate carries no command")
	ErrCommandInCA = errors.New("certificate of a CA carries a command")
	ErrPolicy      = errors.New("policy does not allow it")
	ErrName        = errors.New("certificate has no usable name")
	ErrNotAllowed  = errors.New("command is not allowed from afar")
	ErrServer      = errors.New("certificate is not that of the server")
)

// Why something cannot be read, signed or revoked. Signing also refuses with
// ErrPolicy, ErrName, ErrNotAllowed, ErrExtension and ErrVersion.
var (
	ErrKey       = errors.New("unusable key")
	ErrPEM       = errors.New("unusable PEM file")
	ErrCA        = errors.New("unusable CA")
	ErrRequest   = errors.New("unusable certificate signing request")
	ErrCRL       = errors.New("unusable certificate revocation list")
	ErrCRLIssuer = errors.New("certificate revocation list is not from this issuer")
	ErrCRLOld    = errors.New("certificate revocation list is older than the known one")
)

// Error says which certificate is refused and why, in a sentence that the one who
// presented it may see.
type Error struct {
	Reason  error     // one of the variables of this package
	Level   int       // of the certificate in the chain: 0 is the leaf; -1: none in particular
	Subject string    // of the certificate, printable; empty where Level is -1
	Serial  string    // of the certificate, hexadecimal; empty where Level is -1
	At      time.Time // ErrExpired: until when, ErrNotYetValid: from when, ErrRevoked: since when; else zero

	sentence string
}

// Error returns the sentence.
func (e *Error) Error() string { return e.sentence }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// refuseChain refuses a chain for no certificate in particular.
func refuseChain(reason error, format string, args ...any) *Error {
	return &Error{Reason: reason, Level: -1, sentence: fmt.Sprintf(format, args...)}
}

// refuse refuses the certificate c at a level of its chain. The sentence begins
// with the certificate.
func refuse(reason error, level int, c *x509.Certificate, format string, args ...any) *Error {
	e := &Error{Reason: reason, Level: level, Subject: subjectText(c), Serial: serialText(c.SerialNumber)}
	what := fmt.Sprintf("certificate %q", e.Subject)
	if e.Subject == "" {
		what = fmt.Sprintf("certificate without a name, serial %s,", e.Serial)
	}
	e.sentence = what + " " + fmt.Sprintf(format, args...)
	return e
}

// at sets the time that the refusal is about.
func (e *Error) at(t time.Time) *Error {
	e.At = t.UTC()
	return e
}
