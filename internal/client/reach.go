package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/request"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// openRemote returns a session that is connected when its command is sent.
func (c Client) openRemote(ctx context.Context) *session {
	x := newSession(ctx, service(c.Remote.Address()), c.patience())
	x.remote = c.Remote
	return x
}

// reach sends a command to a remote host: it is signed, with what will follow it, and
// presented in the handshake. What the host thinks of it is known with the first reply only.
func (x *session) reach(n vm.Name, command wire.Command, content *pki.Content) error {
	now := time.Now()
	signed, err := x.remote.present(n, command, content, now)
	if err != nil {
		return err
	}
	authority, err := x.remote.check(signed, now)
	if err != nil {
		return err
	}
	if x.remote.Named != nil {
		x.remote.Named(request.OfLeaf(signed.Chain[0].Raw))
	}
	begun := time.Now()
	below, err := x.remote.dial(x.ctx, x.patience)
	if err != nil {
		return err
	}
	x.roundTrip = time.Since(begun)
	secured, err := x.remote.handshake(x.ctx, below, signed, x.patience)
	if err != nil {
		_ = below.Close() // err says what matters
		return err
	}
	x.home = authority.Name.Path()
	x.use(secured, below)
	return nil
}

// dial connects by TCP.
func (r *Remote) dial(ctx context.Context, patience time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	nc, err := d.DialContext(ctx, "tcp", r.Address())
	switch {
	case err == nil:
		return nc, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, r.unreachable(err, patience)
}

// unreachable says why nobody answers at the host.
func (r *Remote) unreachable(err error, patience time.Duration) error {
	e := &api.Error{Code: api.Unavailable, Err: fmt.Errorf("%w: %w", ErrConnect, err)}
	lookup, isLookup := errors.AsType[*net.DNSError](err)
	slow, isNet := errors.AsType[net.Error](err)
	switch {
	case isLookup && lookup.IsNotFound:
		e.Sentence = fmt.Sprintf("there is no host %s", r.Host)
		return e.Hinted("is its name spelled right?")
	case isLookup:
		e.Sentence = fmt.Sprintf("the address of %s cannot be found out: %s", r.Host, lookup.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Sentence = fmt.Sprintf("nobody listens on %s: connection refused", r.Address())
		return e.Hinted("albatross-tls has to run there; its port is %d unless it was told another", DefaultPort)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		e.Sentence = fmt.Sprintf("there is no way to %s: %v", r.Address(), rootCause(err))
		return e.Hinted("the host may be down, or the network between here and there")
	case isNet && slow.Timeout():
		e.Sentence = fmt.Sprintf("%s has not answered for %v", r.Address(), patience)
		return e.Hinted("the host may be down, or a firewall may keep everybody away from this port")
	default:
		e.Sentence = fmt.Sprintf("cannot connect to %s: %v", r.Address(), rootCause(err))
	}
	return e
}

// handshake proves who we are, and checks who the host is.
func (r *Remote) handshake(ctx context.Context, nc net.Conn, s *Signed, patience time.Duration) (net.Conn, error) {
	certificate := tls.Certificate{Certificate: pki.DER(s.Chain), PrivateKey: s.Key, Leaf: s.Chain[0]}
	conn := tls.Client(nc, &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: r.Host,
		// Which CAs the host names does not matter: there is nothing to choose.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil },
		// Albatross's servers have no names in their certificates, which crypto/tls
		// insists on. VerifyPeerCertificate does it all.
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(presented [][]byte, _ [][]*x509.Certificate) error {
			return pki.VerifyServer(presented, r.Root, r.Host, time.Now(), nil)
		},
	})
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := conn.HandshakeContext(waiting)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case waiting.Err() != nil:
		return nil, r.fault(ErrBroken, err, "%s has not finished the TLS handshake for %v", r.Address(), patience).
			Hinted("does a TLS server listen on this port?")
	}
	return nil, r.unproven(err)
}

// fault is an error of a connection to the host.
func (r *Remote) fault(kind, err error, format string, args ...any) *api.Error {
	return &api.Error{Code: api.Unavailable, Sentence: fmt.Sprintf(format, args...), Err: fmt.Errorf("%w: %w", kind, err)}
}

// unproven says why a handshake failed.
func (r *Remote) unproven(err error) error {
	if refused, ok := errors.AsType[*pki.Error](err); ok {
		return r.distrusted(refused)
	}
	if e := r.alerted(err); e != nil {
		return e
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return r.fault(ErrBroken, err, "what listens on %s does not speak TLS", r.Address()).
			Hinted("albatross-tls listens on port %d unless it was told another", DefaultPort)
	}
	if closedByPeer(err) {
		// No io.EOF, which would mean that the host had nothing more to say.
		return r.fault(ErrBroken, io.ErrUnexpectedEOF, "%s closed the connection in the TLS handshake", r.Address()).
			Hinted("it may have too many clients just now, or refuse the certificate: its log says more")
	}
	return r.fault(ErrBroken, err, "the TLS handshake with %s failed: %v", r.Address(), rootCause(err))
}

// distrusted says why the host's certificate is not believed.
func (r *Remote) distrusted(err *pki.Error) error {
	e := r.fault(ErrServer, err, "%s is not trusted: its %v", r.Address(), err)
	e.Code = api.Denied
	switch {
	case errors.Is(err, pki.ErrServer):
		return e.Hinted("use a name that the certificate has, or renew it there with: albatross ca renew-server --host %s", r.Host)
	case errors.Is(err, pki.ErrExpired):
		return e.Hinted("renew it where its CA is with: albatross ca renew-server")
	case errors.Is(err, pki.ErrRoot), errors.Is(err, pki.ErrOrder), errors.Is(err, pki.ErrSignature):
		return e.Hinted("is the file given as the server's CA the root CA of this host?")
	}
	return e
}

// broken says how a conversation ended that should have gone on. What happened
// before it began has been said already.
func (r *Remote) broken(x *session, err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e
	}
	if errors.Is(err, ErrDiverted) || x.conn.Conn == nil {
		return err
	}
	if e := r.alerted(err); e != nil {
		return e
	}
	e := brokenError(x.ctx, x.service, x.patience, err)
	if told, ok := errors.AsType[*api.Error](e); ok && closedByPeer(err) {
		return told.Hinted("an Albatross 2.7 host does so when it refuses a certificate or does not know the command: its log says more")
	}
	return e
}
