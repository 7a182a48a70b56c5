package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"albatross/internal/behalf"
	"albatross/internal/pki"
	"albatross/internal/request"
	"albatross/internal/vm"
)

// verdict is what is found out about a client in the handshake.
type verdict struct {
	presented [][]byte       // DER, leaf first
	authority *pki.Authority // nil: refused
	refusal   error          // why; wraps a *pki.Error
}

// name returns what the client's command is about, if that is known.
func (v *verdict) name() vm.Name {
	if v.authority == nil {
		return vm.Name{}
	}
	return v.authority.Name
}

// serve serves one connection and closes it. ctx ends when no more is to be read,
// hard when all has to end.
func (s *Server) serve(ctx, hard context.Context, raw net.Conn, one *handshake) {
	defer func() { _ = raw.Close() }() // what had to be sent was
	defer s.handshakes.done(one)
	log := s.log.With("peer", peerOf(raw))
	defer context.AfterFunc(hard, func() { _ = raw.Close() })()
	m, err := s.budget.meter(raw, s.config.Limits)
	defer m.release()
	if err != nil {
		log.Debug("connection lost", "error", err)
		if !s.handshakes.done(one) { // it had ended before anybody looked at it
			s.crowded(log)
		}
		return
	}
	var v verdict
	client := tls.Server(m, s.tlsConfig(&v))
	if err := client.HandshakeContext(ctx); err != nil {
		s.failed(ctx, v.named(log), err, v.refusal, !s.handshakes.done(one))
		return
	}
	log = v.named(log)
	release, err := s.clients.admit(client.ConnectionState().PeerCertificates, s.config.Root)
	if err != nil {
		s.turnAway(log, slog.LevelWarn, behalf.Limited, "client refused", "reason", err)
		s.answer(client, raw, v.name(), err.Error())
		return
	}
	defer release()
	if !s.handshakes.done(one) {
		s.crowded(log)
		return
	}
	hard, cancel, ok := s.bound(hard, m, &v)
	defer cancel()
	if !ok {
		s.crowded(log)
		return
	}
	s.relay(ctx, hard, v.log(log), client, raw, &v)
}

// named says how the request is called that was presented, if any was: albatrossd,
// who is asked, and the client call it so too.
func (v *verdict) named(log *slog.Logger) *slog.Logger {
	if len(v.presented) == 0 {
		return log
	}
	return log.With("request", request.OfLeaf(v.presented[0]))
}

// log says of whom the lines are that follow.
func (v *verdict) log(log *slog.Logger) *slog.Logger {
	if v.authority == nil {
		return log
	}
	leaf := v.authority.Chain[0]
	return log.With("name", v.authority.Name, "subject", leaf.Subject, "serial", leaf.Serial)
}

// bound returns how long a client may stay that completed its handshake, and whether
// it may stay at all. One that will be refused still ends for others that need the
// budget.
func (s *Server) bound(hard context.Context, m *metered, v *verdict) (context.Context, context.CancelFunc, bool) {
	if v.refusal != nil {
		hard, cancel := context.WithTimeout(hard, refusalTimeout)
		return hard, cancel, !m.wasEnded()
	}
	if !m.know() {
		return hard, func() {}, false
	}
	if m.held() == 0 {
		return hard, func() {}, true
	}
	hard, cancel := context.WithTimeout(hard, s.config.Limits.LargeTime)
	return hard, cancel, true
}

// tlsConfig returns the configuration of one connection, which fills in v.
func (s *Server) tlsConfig(v *verdict) *tls.Config {
	c := s.tls.Clone()
	c.VerifyPeerCertificate = func(presented [][]byte, _ [][]*x509.Certificate) error {
		v.presented = presented
		s.judge(v)
		switch {
		case v.refusal == nil:
			return nil
		case stranger(v.refusal):
			return v.refusal
		}
		// Other reasons are found before all signatures were looked at.
		if _, err := pki.Signed(presented, s.config.Root); err != nil {
			v.refusal = fmt.Errorf("%w; the root CA has not signed this: %w", v.refusal, err)
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

// failed says why a handshake failed. Who stands still, goes away or speaks no TLS is
// not worth a line.
func (s *Server) failed(ctx context.Context, log *slog.Logger, err, refusal error, ended bool) {
	switch {
	case refusal != nil:
		s.turnAway(log, slog.LevelInfo, behalf.Stranger, "client refused", "reason", refusal)
	case errors.Is(err, errBudget):
		s.turnAway(log, slog.LevelWarn, behalf.Crowded, "client refused", "reason", err)
	case ended:
		s.crowded(log)
	case tooLarge(err):
		s.turnAway(log, slog.LevelWarn, behalf.Broken, "client refused: its certificates are larger than this albatross-tls takes; "+largeHint, "reason", err)
	case ctx.Err() != nil:
		log.Debug("handshake ended with albatross-tls", "reason", err)
	case strings.HasPrefix(err.Error(), "tls: "):
		s.turnAway(log, slog.LevelInfo, behalf.Broken, "handshake failed", "reason", err)
	default:
		s.turnAway(log, slog.LevelDebug, behalf.Broken, "handshake failed", "reason", err)
	}
}

// crowded says that a connection was ended, as the oldest of those that are not known
// yet, for a newer one.
func (s *Server) crowded(log *slog.Logger) {
	s.turnAway(log, slog.LevelWarn, behalf.Crowded, "too many handshakes: the oldest ends for each new one", "limit", s.config.Limits.Handshakes)
}

// peerOf returns the address of a client, for the log.
func peerOf(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil && a.String() != "" {
		return a.String()
	}
	return "unknown"
}
