package clienttest

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"albatross/internal/pki"
	"albatross/internal/wire"
)

// Endpoint is what a host shows from afar: it does what the certificates of a client
// say, for the daemons behind it.
type Endpoint struct {
	Root        *x509.Certificate // which the clients' certificates lead to
	Certificate tls.Certificate   // its own
	VMMD        *Host
	Console     Behaviour
	Stats       Behaviour

	Seen func(*pki.Authority) // is told what each certificate allows; may be nil

	Old bool             // as Albatross 2.7: refuses in the handshake, or by closing
	Now func() time.Time // nil: time.Now

	mu      sync.Mutex
	revoked *pki.CRLs // guarded by mu
}

// ListenTLS serves e on a TCP port of this host.
func ListenTLS(e *Endpoint) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fake endpoint: %w", err)
	}
	return newServer(l, e.Serve), nil
}

// ListenTCP serves connections on a TCP port of this host.
func ListenTCP(serve func(net.Conn)) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fake endpoint: %w", err)
	}
	return newServer(l, serve), nil
}

// Revoked returns what was revoked by commands.
func (e *Endpoint) Revoked() *pki.CRLs {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.revoked
}

func (e *Endpoint) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}

// Serve speaks with one client: handshake, the command of its certificate, the
// answer.
func (e *Endpoint) Serve(nc net.Conn) {
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{e.Certificate}, ClientAuth: tls.RequireAnyClientCert, Time: e.Now}
	if e.Old {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(e.Root)
	}
	tc := tls.Server(nc, config)
	if tc.HandshakeContext(context.Background()) != nil {
		drain(nc)
		return
	}
	p := &Peer{Net: tc, r: wire.NewReader(tc), w: wire.NewWriter(tc)}
	if answer := e.answer(p, tc); answer != nil {
		p.Send(answer)
	}
	if tc.CloseWrite() == nil {
		drain(tc)
	}
}

// drain reads what a client still sends, which else would destroy what it has not
// read yet.
func drain(c net.Conn) {
	if c.SetReadDeadline(time.Now().Add(5*time.Second)) == nil {
		_, _ = io.Copy(io.Discard, c) // its end is what counts
	}
}

// answer does what the certificates say.
func (e *Endpoint) answer(p *Peer, tc *tls.Conn) wire.Payload {
	a, err := pki.Verify(pki.DER(tc.ConnectionState().PeerCertificates), e.Root, e.now(), e.Revoked())
	switch {
	case err != nil && e.Old:
		return nil
	case err != nil:
		return wire.Failure{Text: err.Error()}
	}
	if e.Seen != nil {
		e.Seen(a)
	}
	p.name = a.Name
	command := a.Command
	if create, ok := command.(wire.UnikernelCreate); ok {
		image, err := e.image(p, a, create)
		if err != nil {
			return wire.Failure{Text: err.Error()}
		}
		p.Image, create.Image, command = image, nil, create
	}
	m := wire.Message{Header: wire.Header{Name: a.Name}, Payload: command}
	switch c := command.(type) {
	case wire.ConsoleSubscribe, wire.ConsoleListInactive:
		return e.Console.Answer(p, m)
	case wire.StatsSubscribe:
		return e.Stats.Answer(p, m)
	case wire.Private:
		return e.addCRL(a, c.Body)
	}
	if _, ok := command.(wire.BlockSet); ok && a.Content == nil && !e.Old {
		return wire.Failure{Text: "the content is not signed"}
	}
	p.signed = a.Content
	for _, above := range a.Policies {
		e.VMMD.SetPolicy(above.Path, above.Policy)
	}
	return e.VMMD.Answer(p, m)
}

// image returns the unpacked image of a create.
func (e *Endpoint) image(p *Peer, a *pki.Authority, c wire.UnikernelCreate) ([]byte, error) {
	var content io.Reader = bytes.NewReader(c.Image)
	var frames io.Reader
	if a.Streams() {
		frames = p.r.Chunks()
		content = frames
	}
	if c.Config.Compressed {
		z, err := zlib.NewReader(content)
		if err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
		content = z
	}
	image, err := io.ReadAll(content)
	if err == nil && frames != nil {
		_, err = io.Copy(io.Discard, frames)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("image: %w", err)
	case a.Content != nil && *a.Content != measured(image):
		return nil, errors.New("the image is not the one that was signed")
	}
	return image, nil
}

// measured is what is signed of content.
func measured(b []byte) pki.Content {
	return pki.Content{Digest: sha256.Sum256(b), Size: int64(len(b))}
}

// addCRL takes a revocation list.
func (e *Endpoint) addCRL(a *pki.Authority, file []byte) wire.Payload {
	list, err := pki.ParseCRLFile(file, e.Root)
	if err == nil {
		_, err = a.CRL(list.DER())
	}
	if err != nil {
		return wire.Failure{Text: err.Error()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	all, err := e.revoked.With(list)
	if err != nil {
		return wire.Failure{Text: err.Error()}
	}
	e.revoked = all
	return wire.ReplyText{Text: fmt.Sprintf("revocation list %v of %s in force", list.Number, list.Issuer)}
}
