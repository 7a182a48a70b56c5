package endpoint

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

const (
	// usualLimit is how many bytes of certificates crypto/tls takes by itself.
	usualLimit = 256 << 10
	probeTime  = 10 * time.Second // for a handshake in memory
	largeHint  = "Go's crypto/tls takes 256 KiB by itself, and albatross-client puts images there: " +
		"build albatross-tls by \"make build\", which raises the limit to 16 MiB, or use this project's client, which streams images"
)

// SmallWarning is what a program has to say that does not [TakesLargeCertificates].
const SmallWarning = "albatross-client cannot create unikernels here whose image has more than 256 KiB compressed: " + largeHint

// tooLarge reports whether a handshake failed because crypto/tls does not take
// certificates so large. Its error has no type.
func tooLarge(err error) bool {
	return strings.Contains(err.Error(), "tls: handshake message of length") && strings.Contains(err.Error(), "exceeds maximum of")
}

// TakesLargeCertificates finds out, by a handshake in memory, whether this program
// was built with the limit of certificates raised. An error tells that it could not
// find out.
func TakesLargeCertificates() (bool, error) {
	identity, err := throwaway()
	if err != nil {
		return false, err
	}
	// Any certificate will do, often enough.
	many := tls.Certificate{PrivateKey: identity.PrivateKey}
	for size := 0; size <= usualLimit; size += len(identity.Certificate[0]) {
		many.Certificate = append(many.Certificate, identity.Certificate[0])
	}
	near, far := net.Pipe()
	deadline := time.Now().Add(probeTime)
	_, _ = near.SetDeadline(deadline), far.SetDeadline(deadline) // a pipe has no reason to refuse
	client := tls.Client(near, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{many},
		InsecureSkipVerify: true, // both ends are here
	})
	server := tls.Server(&probed{Conn: far}, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{identity},
		ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true,
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = client.Handshake() // what the server says counts
	}()
	err = server.Handshake()
	_, _ = far.Close(), near.Close() // ends the client
	<-ended
	switch {
	case err == nil:
		return true, nil
	case tooLarge(err):
		return false, nil
	}
	return false, fmt.Errorf("try how large certificates may be: %w", err)
}

// probed is a server's end of a pipe. Once the client sends its certificates, what the
// server writes is dropped: it can only be an alert, and two that write to each other
// on a pipe would wait for ever.
type probed struct {
	net.Conn
	read int
}

func (p *probed) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.read += n
	return n, err
}

func (p *probed) Write(b []byte) (int, error) {
	if p.read > maxHello {
		return len(b), nil
	}
	return p.Conn.Write(b)
}

// maxHello is more than the client's first flight has.
const maxHello = 8 << 10

// throwaway makes a certificate for nobody.
func throwaway() (tls.Certificate, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
