package clienttest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"time"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Family is a root CA with the server's certificate that it signed, and the
// delegations alice:, with AlicePolicy, and alice:web:, with WebPolicy.
type Family struct {
	Root, Alice, Web *pki.CA
	Server           tls.Certificate
}

// The policies of a Family.
var (
	AlicePolicy = vm.Policy{Unikernels: 16, CPUs: vm.MakeSet(0, 1), Memory: 1024, Block: new(40), Bridges: vm.MakeSet("service")}
	WebPolicy   = vm.Policy{Unikernels: 4, CPUs: vm.MakeSet(0), Memory: 256, Bridges: vm.MakeSet("service")}
)

// NewFamily makes one that is valid from now on. The server's certificate names
// hosts.
func NewFamily(hosts ...string) (*Family, error) {
	now := time.Now()
	key, err := pki.GenerateKey(pki.Ed25519)
	if err != nil {
		return nil, err
	}
	f := new(Family)
	if f.Root, err = pki.MakeRoot("ca", key, pki.ValidFor(now, pki.RootFor)); err != nil {
		return nil, err
	}
	if f.Server, err = f.Issue(pki.Request{Name: "server", Hosts: hosts}, pki.ValidFor(now, pki.ServerFor)); err != nil {
		return nil, err
	}
	if f.Alice, err = Delegate(f.Root, "alice", AlicePolicy); err != nil {
		return nil, err
	}
	f.Web, err = Delegate(f.Alice, "web", WebPolicy)
	return f, err
}

// Issue has the root sign a certificate with a new key.
func (f *Family) Issue(r pki.Request, v pki.Validity) (tls.Certificate, error) {
	key, err := pki.GenerateKey(pki.Ed25519)
	if err != nil {
		return tls.Certificate{}, err
	}
	r.Public = key.Public()
	cert, err := f.Root.Sign(r, v)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, nil
}

// Delegate has a CA sign another with a policy.
func Delegate(by *pki.CA, label string, p vm.Policy) (*pki.CA, error) {
	key, err := pki.GenerateKey(pki.Ed25519)
	if err != nil {
		return nil, err
	}
	cert, err := by.Sign(pki.Request{Name: label, Command: wire.PolicyAdd{Policy: p}, Public: key.Public()}, pki.ValidFor(time.Now(), pki.DelegationFor))
	if err != nil {
		return nil, err
	}
	return pki.NewCA(append([]*x509.Certificate{cert}, by.Above()...), key)
}

// HostPort takes the address of a server apart.
func (s *Server) HostPort() (string, int) {
	host, digits, _ := net.SplitHostPort(s.Address()) // a listener's address has both
	port, _ := strconv.Atoi(digits)
	return host, port
}
