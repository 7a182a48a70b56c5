package pki

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CRLs is a set with the newest revocation list of each issuer. It does not change:
// With returns another set. Nil is the empty set.
type CRLs struct {
	lists map[Digest]*CRL // by the issuer's KeyID
}

// Revocation says which certificate of a chain is revoked.
type Revocation struct {
	Level   int // in the chain: 0 is the leaf
	Subject string
	Serial  string
	At      time.Time
	Reason  int
}

// With returns the set with a list added, in place of the one of the same issuer
// that it had. The same list again changes nothing; one with a lower number than the
// known one, or with the same number and other content, is refused with ErrCRLOld.
func (c *CRLs) With(l *CRL) (*CRLs, error) {
	if old := c.Of(l.Key); old != nil {
		switch n := l.Number.Cmp(old.Number); {
		case n == 0 && bytes.Equal(l.der, old.der):
			return c, nil
		case n <= 0:
			return nil, fmt.Errorf("%w: the list of %q has number %v, that of %s with number %v is known",
				ErrCRLOld, l.Issuer, l.Number, timeText(old.ThisUpdate), old.Number)
		}
	}
	next := &CRLs{lists: map[Digest]*CRL{l.Key: l}}
	if c != nil {
		lists := maps.Clone(c.lists)
		lists[l.Key] = l
		next.lists = lists
	}
	return next, nil
}

// Of returns the list of the issuer with a [KeyID], or nil.
func (c *CRLs) Of(key Digest) *CRL {
	if c == nil {
		return nil
	}
	return c.lists[key]
}

// All returns the lists, by the KeyIDs of their issuers.
func (c *CRLs) All() []*CRL {
	if c == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(c.lists), func(x, y *CRL) int { return bytes.Compare(x.Key[:], y.Key[:]) })
}

// Revoked returns the uppermost certificate of a chain that is revoked, and whether
// there is one: it takes all below it along.
func (c *CRLs) Revoked(chain []Link) (Revocation, bool) {
	for i, link := range slices.Backward(chain) {
		l := c.Of(link.Issuer)
		if l == nil {
			continue
		}
		if e, ok := l.found[link.Serial]; ok {
			return Revocation{Level: i, Subject: link.Subject, Serial: e.Serial, At: e.At, Reason: e.Reason}, true
		}
	}
	return Revocation{}, false
}
