package endpoint

import (
	"fmt"
	"sync"

	"albatross/internal/pki"
)

// clients are the connections that were let in, counted by certificate.
type clients struct {
	limits Limits

	mu    sync.Mutex // guards what follows
	all   int
	count map[holder]int
}

// holder is a certificate in one of its roles.
type holder struct {
	leaf        bool
	fingerprint pki.Digest
}

// admit counts a connection with this chain. The error is for the client. Who the
// root signed for is asked first: such a one can sign as many leafs as it likes.
func (c *clients) admit(chain []pki.Link) (release func(), err error) {
	leaf, top := chain[0], chain[len(chain)-1]
	by := []holder{{false, top.Fingerprint}, {true, leaf.Fingerprint}}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.all >= c.limits.Clients:
		return nil, fmt.Errorf("too many clients: at most %d are served at a time: try again later", c.limits.Clients)
	case c.count[by[0]] >= c.limits.PerDelegation:
		return nil, fmt.Errorf("too many clients of %q: at most %d are served at a time: try again later", top.Subject, c.limits.PerDelegation)
	case c.count[by[1]] >= c.limits.PerLeaf:
		return nil, fmt.Errorf("too many clients with the certificate %q: at most %d are served at a time: try again later", leaf.Subject, c.limits.PerLeaf)
	}
	c.all++
	for _, h := range by {
		c.count[h]++
	}
	return func() { c.release(by) }, nil
}

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
