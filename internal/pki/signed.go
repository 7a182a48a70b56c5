package pki

import "crypto/x509"

// Signed checks that a chain which was presented leads to the root CA by its
// signatures, whatever else is wrong with it: so that who has nothing from this CA is
// told from those it has signed for, directly or not. It returns the CA directly below
// the root that the chain goes through, to which a refusal is to be counted; it is nil
// where the root signed a leaf itself. Signatures are checked from the root down.
// Every error is an [*Error].
func Signed(presented [][]byte, root *x509.Certificate) (top *x509.Certificate, err error) {
	c, err := parseChain(presented, root)
	if err != nil {
		return nil, err
	}
	for i := c.root() - 1; i >= 0; i-- {
		// Not CheckSignatureFrom, which asks whether that may sign.
		if err := c[i+1].CheckSignature(c[i].SignatureAlgorithm, c[i].RawTBSCertificate, c[i].Signature); err != nil {
			return nil, refuse(ErrSignature, i, c[i], "is not signed by %q: %v", subjectText(c[i+1]), err)
		}
	}
	if below := c[c.root()-1]; c.root() > 1 || isCA(below) {
		top = below
	}
	return top, nil
}
