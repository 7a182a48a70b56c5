package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"albatross/internal/wire"
)

// TestTLS authenticates both ends of a connection with certificates made here, as
// crypto/tls hands them over.
func TestTLS(t *testing.T) {
	now := time.Now()
	for _, kind := range KeyTypes() {
		root := must(MakeRoot("ca", keyOf(1), ValidFor(now, RootFor)))
		key := must(GenerateKey(kind))
		server := must(root.Sign(Request{Name: "server", Public: key.Public()}, ValidFor(now, ServerFor)))
		leaf := must(root.Sign(Request{Name: "shop", Command: wire.UnikernelInfo{}, Public: key.Public()}, ValidFor(now, OnTheFlyFor)))

		var got *Authority
		a, b := net.Pipe()
		far := tls.Server(a, &tls.Config{
			MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert,
			Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: key}},
			VerifyPeerCertificate: func(presented [][]byte, _ [][]*x509.Certificate) (err error) {
				got, err = Verify(presented, root.Certificate(), now, nil)
				return err
			},
		})
		near := tls.Client(b, &tls.Config{
			MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // VerifyServer does it
			Certificates: []tls.Certificate{{Certificate: append([][]byte{leaf.Raw}, DER(root.Above())...), PrivateKey: key}},
			VerifyPeerCertificate: func(presented [][]byte, _ [][]*x509.Certificate) error {
				return VerifyServer(presented, root.Certificate(), "host", now, nil)
			},
		})
		failed := make(chan error, 1)
		go func() { failed <- far.Handshake() }()
		err := errors.Join(near.Handshake(), <-failed)
		if err != nil || got == nil || got.Name != name(t, ":shop") {
			t.Errorf("%s: %v, %+v", kind, err, got)
		}
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	}
}
