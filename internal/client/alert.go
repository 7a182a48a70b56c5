package client

import (
	"crypto/tls"
	"errors"
	"net"

	"albatross/internal/api"
)

// alert is what is said where a host ends a connection with one of the alerts of
// RFC 8446, section 6.
type alert struct {
	code     tls.AlertError
	kind     error // ErrRejected or ErrBroken
	sentence string
	hint     string // may be empty
}

const (
	otherRoot = "its root CA must be the one that the host was started with: albatross ca show tells who signed a certificate"
	hostLog   = "the log of albatross-tls on the host says more"
)

// alerts lists those that have a meaning to people. A certificate is judged behind
// the client's end of the handshake, so all but the first may come in the place of a
// reply.
func alerts() []alert {
	return []alert{
		{70, ErrBroken, "the host does not speak TLS 1.3, and nothing else is spoken here", "is it albatross-tls that listens there?"},
		{40, ErrBroken, "the host and this program have no way in common to speak TLS", "another --key-type may be one that the host knows"},
		{42, ErrRejected, "the host refuses the certificate: it is damaged, or not signed by a CA that the host knows", otherRoot},
		{43, ErrRejected, "the host cannot use a certificate of this kind", "another --key-type may be one that the host knows"},
		{44, ErrRejected, "the host says that the certificate, or one above it, is revoked", "ask who signed it for another"},
		{45, ErrRejected, "the host says that the certificate has expired", "compare the clocks of both sides; albatross ca show tells until when a CA is valid"},
		{46, ErrRejected, "the host refuses the certificate and does not say why", hostLog},
		{48, ErrRejected, "the host does not know the CA of this certificate", otherRoot},
		{49, ErrRejected, "the host does not allow this to who has this certificate", hostLog},
		{116, ErrRejected, "the host wants a certificate and got none", ""},
		{51, ErrRejected, "the host found a signature wrong: the private key is not that of the certificate", ""},
		{80, ErrBroken, "the host failed at the certificate", hostLog + "; it may be too large, as one with an image inside"},
		{50, ErrBroken, "the host cannot read the certificate", hostLog + "; it may be too large, as one with an image inside"},
	}
}

// alerted returns what is said about an alert that the host sent, or nil if err is
// none.
func (r *Remote) alerted(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" { // which is how crypto/tls tells of alerts
		return nil
	}
	for _, a := range alerts() {
		// Crypto/tls keeps the number to itself, but has the same words for it.
		if op.Err.Error() == a.code.Error() {
			e := r.fault(a.kind, err, "%s: %s", r.Address(), a.sentence)
			if e.Hint = a.hint; a.kind == ErrRejected {
				e.Code = api.Denied
			}
			return e
		}
	}
	return r.fault(ErrBroken, err, "%s ended the connection: %v", r.Address(), op.Err)
}
