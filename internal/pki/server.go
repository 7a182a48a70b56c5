package pki

import (
	"crypto/x509"
	"time"
)

// VerifyServer checks the chain that a server presented, DER and leaf first. The root
// CA is the one given; now is when it has to be valid. A certificate that names hosts
// or addresses must name the one that was connected to; one without, as Albatross
// makes them, is believed for the CA alone. A CA that carries a policy may speak for
// unikernels, not for the server, and none that it signed is taken for the server's.
// Every error is an [*Error].
func VerifyServer(presented [][]byte, root *x509.Certificate, host string, now time.Time, revoked *CRLs) error {
	c, err := parseChain(presented, root)
	if err != nil {
		return err
	}
	if err := c.check(now, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	if err := c.checkRevoked(c.links(), revoked); err != nil {
		return err
	}
	for i := range c[:c.root()] {
		said, err := c.statement(i)
		if err != nil {
			return err
		}
		if said.command != nil {
			return refuse(ErrServer, i, c[i], "is made to %s, and cannot vouch for a server", Words(said.command))
		}
	}
	leaf := c[0]
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 || host == "" {
		return nil
	}
	if err := leaf.VerifyHostname(host); err != nil {
		return refuse(ErrServer, 0, leaf, "is not for %q: %s", printable(host), printable(err.Error()))
	}
	return nil
}
