package pki

import (
	"crypto/x509"
	"slices"
	"time"
)

// check refuses a chain that is not valid now, or whose leaf is not for the given
// purpose.
func (c chain) check(now time.Time, purpose x509.ExtKeyUsage) error {
	if err := c.checkOrder(); err != nil {
		return err
	}
	err := c.checkAuthorities(func(i int) error {
		if i == 0 {
			if err := c.checkLeaf(purpose); err != nil {
				return err
			}
		}
		return c.checkTime(i, now)
	})
	if err != nil {
		return err
	}
	return c.checkPath(now, purpose)
}

func (c chain) checkTime(i int, now time.Time) error {
	cert := c[i]
	switch {
	case now.Before(cert.NotBefore):
		return refuse(ErrNotYetValid, i, cert, "is valid from %s on, and it is %s here: wait, or set the clocks right",
			timeText(cert.NotBefore), timeText(now)).at(cert.NotBefore)
	case now.After(cert.NotAfter):
		return refuse(ErrExpired, i, cert, "expired at %s, and it is %s here: have %q sign a new one",
			timeText(cert.NotAfter), timeText(now), nameText(cert.Issuer)).at(cert.NotAfter)
	}
	return nil
}

// checkCA refuses what may not sign certificates.
func (c chain) checkCA(i int) error {
	cert := c[i]
	switch {
	case !isCA(cert):
		return refuse(ErrUsage, i, cert, "is not that of a CA, but has signed %q", subjectText(c[i-1]))
	case cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return refuse(ErrUsage, i, cert, "has no key usage that allows to sign certificates")
	}
	return c.checkCritical(i)
}

func isCA(c *x509.Certificate) bool { return c.BasicConstraintsValid && c.IsCA }

func (c chain) checkLeaf(purpose x509.ExtKeyUsage) error {
	leaf := c[0]
	what := map[x509.ExtKeyUsage]string{x509.ExtKeyUsageClientAuth: "client", x509.ExtKeyUsageServerAuth: "server"}[purpose]
	switch {
	case isCA(leaf):
		return refuse(ErrUsage, 0, leaf, "is that of a CA: a CA signs a certificate for each command, and that one is presented first")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse(ErrUsage, 0, leaf, "has no key usage that allows to sign")
	case !slices.Contains(leaf.ExtKeyUsage, purpose):
		return refuse(ErrUsage, 0, leaf, "is not that of a TLS %s: its extended key usage does not say so", what)
	}
	return c.checkCritical(0)
}

func (c chain) checkCritical(i int) error {
	if unknown := c[i].UnhandledCriticalExtensions; len(unknown) > 0 {
		return refuse(ErrUsage, i, c[i], "has a critical extension that is unknown here: %v", unknown[0])
	}
	return nil
}

// checkPath has crypto/x509 find the way from the leaf to the root, and refuses
// another than the presented one. What is left to find are the lengths of paths,
// the constraints of CAs, and CAs that come twice.
func (c chain) checkPath(now time.Time, purpose x509.ExtKeyUsage) error {
	opts := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{purpose},
	}
	opts.Roots.AddCert(c[c.root()])
	for _, cert := range c[1:c.root()] {
		opts.Intermediates.AddCert(cert)
	}
	found, err := c[0].Verify(opts)
	if err != nil {
		return refuse(ErrUsage, 0, c[0], "is not valid in this chain: %s", printable(err.Error()))
	}
	if !slices.ContainsFunc(found, func(other []*x509.Certificate) bool { return slices.EqualFunc(c, other, (*x509.Certificate).Equal) }) {
		return refuse(ErrOrder, 0, c[0], "has a chain in which a CA comes twice")
	}
	return nil
}

// checkRevoked refuses a chain of which a certificate is revoked.
func (c chain) checkRevoked(links []Link, revoked *CRLs) error {
	r, ok := revoked.Revoked(links)
	if !ok {
		return nil
	}
	cert := c[r.Level]
	return refuse(ErrRevoked, r.Level, cert, "(serial %s) was revoked by %q as of %s", r.Serial, nameText(cert.Issuer), timeText(r.At)).at(r.At)
}
