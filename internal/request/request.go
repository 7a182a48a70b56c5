// Package request is how what was asked for is called, everywhere: 12 hexadecimal
// digits that a person finds again in an error, in the logs of all daemons that
// had to do with it, in the event log and in the audit log.
//
//	albatross: New ── hello ──▶ any daemon: With ── context ──▶ ID ── log, event
//
//	albatross: OfLeaf ─ TLS ─▶ albatross-tls: OfLeaf ─▶ albatrossd: OfLeaf ── …
//
// On this host the client makes the name up. From afar nobody has to be believed:
// a command is a certificate of its own, and each program that sees that makes the
// same name of it. It is the beginning of the fingerprint in the audit log.
//
// It imports the standard library only; anybody may import it.
package request

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

const size = 6 // bytes

// New returns a name for a request.
func New() string {
	var b [size]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// OfLeaf returns the name of the request that a certificate is, in DER.
func OfLeaf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:size])
}

type key struct{}

// With returns a context that knows the request by this name. An empty one says
// nothing.
func With(ctx context.Context, id string) context.Context {
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, key{}, id)
}

// ID returns how the request is called, or "".
func ID(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}
