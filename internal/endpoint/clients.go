package endpoint

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"sync"

	"albatross/internal/pki"
)

// clients are the connections that were let in, counted by who they are. The last
// quarter of all is for those who have few: however many a few delegations take for
// themselves, another one gets in.
type clients struct {
	limits Limits

	mu    sync.Mutex // guards what follows
	all   int
	count map[holder]int
}

// holder is a certificate as a leaf, by its fingerprint, or whom the root signed for,
// by the public key: a second certificate for the same key is not a second one.
type holder struct {
	leaf bool
	id   pki.Digest
}

// admit counts a connection with this chain, leaf first, which leads to root by its
// signatures. The error is for the client. Who the root signed for is asked first:
// such a one can sign as many leafs as it likes.
func (c *clients) admit(chain []*x509.Certificate, root *x509.Certificate) (release func(), err error) {
	chain = belowRoot(chain, root)
	leaf, top := chain[0], chain[len(chain)-1]
	by := []holder{{false, pki.KeyID(top)}, {true, pki.Fingerprint(leaf)}}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.all >= c.limits.Clients:
		return nil, fmt.Errorf("too many clients: at most %d are served at a time: try again later", c.limits.Clients)
	case c.count[by[0]] >= c.limits.PerDelegation:
		return nil, fmt.Errorf("too many clients of %q: at most %d are served at a time: try again later", commonName(top), c.limits.PerDelegation)
	case c.all >= c.limits.Clients-c.limits.Clients/4 && c.count[by[0]] >= few(c.limits):
		return nil, fmt.Errorf("too many clients: %d are served at a time, and what is left is for others than %q, who has %d of them: try again later",
			c.all, commonName(top), c.count[by[0]])
	case c.count[by[1]] >= c.limits.PerLeaf:
		return nil, fmt.Errorf("too many clients with the certificate %q: at most %d are served at a time: try again later", commonName(leaf), c.limits.PerLeaf)
	}
	c.all++
	for _, h := range by {
		c.count[h]++
	}
	return func() { c.release(by) }, nil
}

// few is how many connections a delegation may have when nearly all are taken.
func few(l Limits) int { return max(1, l.PerDelegation/16) }

func (c *clients) release(by []holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	for _, h := range by {
		if c.count[h]--; c.count[h] == 0 {
			delete(c.count, h)
		}
	}
}

// belowRoot returns a chain without the root, which may be presented as its last.
func belowRoot(chain []*x509.Certificate, root *x509.Certificate) []*x509.Certificate {
	if last := len(chain) - 1; last > 0 && bytes.Equal(chain[last].Raw, root.Raw) {
		return chain[:last]
	}
	return chain
}

// commonName returns the beginning of a name that may be of any size.
func commonName(c *x509.Certificate) string {
	const most = 64 // bytes
	name := c.Subject.CommonName
	return name[:min(len(name), most)]
}
