package client

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// DefaultPort is the TCP port on which hosts are asked from afar.
const DefaultPort = 1025

// Remote is a host that is asked by TLS. Each command is signed into a certificate
// of its own, which lasts for pki.OnTheFlyFor and, where it changes something, is for
// one use. Names are one label, below the path of the CA that signs.
//
//	we                                        the host's TLS endpoint
//	 │ chain verified as the host will
//	 │ TLS 1.3: leaf with the command, CA, … ──▶  verified up to the root CA
//	 │ ◀── server certificate: verified up to the root CA
//	 │ image or content, as raw frames ────────▶
//	 │ ◀──────────────── replies, as from a socket
type Remote struct {
	Host string            // a name or an address
	Port int               // 0: DefaultPort
	Root *x509.Certificate // CA that the host's certificate and ours lead to

	CA      *pki.CA     // signs the commands
	KeyType pki.KeyType // of the keys that are made for them; empty: pki.Ed25519

	// Signed is a certificate that somebody has signed, in place of CA. What it
	// says is what the host does, so that only the method for this command is of
	// use.
	Signed *Signed

	// Divert gets what would have been signed. Then no host is asked, and methods
	// fail with ErrDiverted, or with the error of Divert. It may be nil.
	Divert func(pki.Request) error

	// Named gets how the host will call each command that is sent to it, see package
	// request. It may be nil.
	Named func(request string)
}

// Signed is a certificate of a command with those of the CAs that signed it, leaf
// first, and its private key.
type Signed struct {
	Chain []*x509.Certificate
	Key   crypto.Signer
}

// Errors of a remote host and of what is presented to it, beside ErrConnect and
// ErrBroken.
var (
	ErrUnsigned = errors.New("the command cannot be signed")
	ErrChain    = errors.New("the certificate chain is one that the host would refuse")
	ErrRejected = errors.New("the host does not accept the certificate")
	ErrServer   = errors.New("the host cannot be trusted to be the one that was meant")
	ErrDiverted = errors.New("the command was not sent")
)

// ParseAddress reads HOST or HOST:PORT, where an IPv6 address with a port stands
// in brackets. Port is 0 where none is given.
func ParseAddress(s string) (host string, port int, err error) {
	host = s
	if _, e := netip.ParseAddr(s); e != nil && strings.Contains(s, ":") && !isBracketed(s) {
		var digits string
		if host, digits, err = net.SplitHostPort(s); err != nil {
			return "", 0, fmt.Errorf("%q is not of the form HOST[:PORT]", s)
		}
		if port, err = strconv.Atoi(digits); err != nil || port < 1 || port > 65535 {
			return "", 0, fmt.Errorf("%q is no port: it is a number from 1 to 65535", digits)
		}
	}
	if isBracketed(host) {
		host = host[1 : len(host)-1]
	}
	if !isHost(host) {
		return "", 0, fmt.Errorf("%q is neither the name of a host nor an address", host)
	}
	return host, port, nil
}

func isBracketed(s string) bool { return strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") }

// isHost reports whether s may be the name of a host, or is an address.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 || s[0] == '-' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_')
	}) < 0
}

// Address returns HOST:PORT.
func (r *Remote) Address() string {
	port := r.Port
	if port == 0 {
		port = DefaultPort
	}
	return net.JoinHostPort(r.Host, strconv.Itoa(port))
}

// Path returns the path that what is presented is about: that of the CA, or of the
// CAs of a certificate that was signed. Names in replies are below it, and methods
// leave it out of what they return.
func (r *Remote) Path() vm.Path {
	var above []*x509.Certificate
	switch {
	case r.Signed != nil:
		above = r.Signed.Chain[1:]
	case r.CA != nil:
		above = r.CA.Above()
	}
	var p vm.Path
	for i := len(above) - 1; i >= 0; i-- {
		d := pki.Describe(above[i])
		if label, err := vm.ParseLabel(d.Subject); err == nil && d.Kind == pki.KindDelegation {
			p = p.Append(label)
		}
	}
	return p
}

// commonName returns what a certificate is called that is about n.
func commonName(n vm.Name, c wire.Command) (string, error) {
	path := n.Path()
	_, delegates := c.(wire.PolicyAdd)
	switch labels := path.Labels(); {
	case delegates && len(labels) == 1:
		return string(labels[0]), nil
	case delegates:
		return "", api.Errorf(api.Invalid, "a policy is signed for one label, not for %s: that of the path below the CA", n).
			Hinted("have the CA of the path above sign it")
	case !path.IsRoot():
		return "", api.Errorf(api.Invalid, "%s is more than one label, which is what a name from afar has", n).
			Hinted("the certificates say below which path it is")
	case n.IsPath():
		return ".", nil
	}
	return string(n.Label()), nil
}

// wanted is what a certificate would have to say.
func wanted(n vm.Name, c wire.Command, content *pki.Content) (pki.Request, error) {
	label, err := commonName(n, c)
	if err != nil {
		return pki.Request{}, unsigned(err)
	}
	return pki.Request{Name: label, Command: c, Content: content}, nil
}

// present returns what is presented for a command.
func (r *Remote) present(n vm.Name, c wire.Command, content *pki.Content, now time.Time) (*Signed, error) {
	want, err := wanted(n, c, content)
	switch {
	case r.Divert != nil && err == nil:
		if err := r.Divert(want); err != nil {
			return nil, err
		}
		return nil, ErrDiverted
	case r.Signed != nil:
		return r.Signed, nil
	case err != nil:
		return nil, err
	case r.CA == nil:
		return nil, unsigned(errors.New("there is no CA"))
	}
	if err := pki.Allowed(c); err != nil { // a delegation can be signed, but does nothing by itself
		return nil, unsigned(err)
	}
	kind := r.KeyType
	if kind == "" {
		kind = pki.Ed25519
	}
	key, err := pki.GenerateKey(kind)
	if err != nil {
		return nil, unsigned(err)
	}
	want.Public, want.Once = key.Public(), pki.Changes(c)
	leaf, err := r.CA.Sign(want, pki.ValidFor(now, pki.OnTheFlyFor))
	if err != nil {
		return nil, unsigned(err)
	}
	return &Signed{Chain: append([]*x509.Certificate{leaf}, r.CA.Above()...), Key: key}, nil
}

// unsigned says why a command was not signed.
func unsigned(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		e.Err = errors.Join(ErrUnsigned, e.Err)
		return e
	}
	e := &api.Error{Code: api.Invalid, Sentence: "the command cannot be signed: " + err.Error(), Err: fmt.Errorf("%w: %w", ErrUnsigned, err)}
	switch {
	case errors.Is(err, pki.ErrPolicy):
		e.Code = api.Policy
		e.Hint = "albatross ca show tells what the CA allows"
	case errors.Is(err, pki.ErrNotAllowed):
		e.Code = api.Denied
		e.Hint = "ask on the host itself"
	}
	return e
}

// check refuses a chain that the host would refuse, and returns the path that it
// is about.
func (r *Remote) check(s *Signed, now time.Time) (*pki.Authority, error) {
	a, err := pki.Verify(pki.DER(s.Chain), r.Root, now, nil)
	if err == nil {
		return a, nil
	}
	e := &api.Error{Code: api.Denied, Sentence: err.Error(), Err: fmt.Errorf("%w: %w", ErrChain, err)}
	if errors.Is(err, pki.ErrRoot) || errors.Is(err, pki.ErrOrder) {
		e.Hint = "the file of the CA has its certificate and then those above it, and that of the server's CA is the host's root CA"
	}
	return nil, e
}

// Check returns what a certificate that was signed allows, or why a host would
// refuse it; that error matches ErrChain.
func (r *Remote) Check(now time.Time) (*pki.Authority, error) { return r.check(r.Signed, now) }
