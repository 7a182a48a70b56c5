package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"albatross/internal/pki"
	"albatross/internal/vm"
)

// verdict is what is found out about a client in the handshake.
type verdict struct {
	presented [][]byte       // DER, leaf first
	authority *pki.Authority // nil: refused
	refusal   error          // a *pki.Error
}

// serve serves one connection and closes it. ctx ends when no more is to be read,
// hard when all has to end.
func (s *Server) serve(ctx, hard context.Context, raw net.Conn, one *handshake) {
	defer func() { _ = raw.Close() }() // what had to be sent was
	defer s.handshakes.done(one)
	log := s.log.With("peer", peerOf(raw))
	defer context.AfterFunc(hard, func() { _ = raw.Close() })()
	m := &metered{Conn: raw, budget: s.budget, free: s.config.Limits.FreeBytes, deadline: time.Now().Add(s.config.Limits.HandshakeTimeout)}
	defer m.release()
	if err := raw.SetDeadline(m.deadline); err != nil {
		log.Debug("connection lost", "error", err)
		return
	}
	var v verdict
	client := tls.Server(m, s.tlsConfig(&v))
	if err := client.HandshakeContext(ctx); err != nil {
		logHandshake(ctx, log, err, v.refusal)
		return
	}
	if v.refusal != nil {
		log.Info("client refused", "reason", v.refusal)
		s.answer(client, raw, vm.Name{}, v.refusal.Error())
		return
	}
	leaf := v.authority.Chain[0]
	log = log.With("name", v.authority.Name, "subject", leaf.Subject, "serial", leaf.Serial)
	release, err := s.clients.admit(v.authority.Chain)
	if err != nil {
		log.Warn("client refused", "reason", err)
		s.answer(client, raw, v.authority.Name, err.Error())
		return
	}
	defer release()
	if !s.handshakes.done(one) {
		return // it was closed for a newer one
	}
	m.known = true
	if m.taken > 0 {
		var cancel context.CancelFunc
		hard, cancel = context.WithTimeout(hard, s.config.Limits.LargeTime)
		defer cancel()
	}
	s.relay(ctx, hard, log, client, raw, &v)
}

// tlsConfig returns the configuration of one connection, which fills in v.
func (s *Server) tlsConfig(v *verdict) *tls.Config {
	c := s.tls.Clone()
	c.VerifyPeerCertificate = func(presented [][]byte, _ [][]*x509.Certificate) error {
		v.presented = presented
		s.judge(v)
		if v.refusal != nil && stranger(v.refusal) {
			return v.refusal
		}
		return nil
	}
	return c
}

// judge verifies what was presented. Revocation lists are looked for last: strangers
// must not keep the endpoint busy with files.
func (s *Server) judge(v *verdict) {
	now := s.config.Now()
	v.authority, v.refusal = pki.Verify(v.presented, s.config.Root, now, nil)
	if v.refusal != nil {
		return
	}
	lists := s.config.CRLs.Current()
	if _, revoked := lists.Revoked(v.authority.Chain); revoked {
		v.authority, v.refusal = pki.Verify(v.presented, s.config.Root, now, lists) // says it in a sentence
	}
}

// stranger reports whether a refusal is that of a chain which does not belong to the
// root CA.
func stranger(refusal error) bool {
	for _, reason := range []error{pki.ErrRoot, pki.ErrMalformed, pki.ErrOrder, pki.ErrTooLong, pki.ErrSignature} {
		if errors.Is(refusal, reason) {
			return true
		}
	}
	return false
}

// logHandshake says why a handshake failed. Who stands still, goes away or speaks no
// TLS is not worth a line: anyone can do that as often as he likes.
func logHandshake(ctx context.Context, log *slog.Logger, err, refusal error) {
	switch {
	case refusal != nil:
		log.Info("client refused", "reason", refusal)
	case errors.Is(err, errBudget):
		log.Warn("client refused", "reason", err)
	case tooLarge(err):
		log.Warn("client refused: its certificates are larger than this albatross-tls takes; "+largeHint, "reason", err)
	case strings.HasPrefix(err.Error(), "tls: ") && ctx.Err() == nil:
		log.Info("handshake failed", "reason", err)
	default:
		log.Debug("handshake failed", "reason", err)
	}
}

// peerOf returns the address of a client, for the log.
func peerOf(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil && a.String() != "" {
		return a.String()
	}
	return "unknown"
}
