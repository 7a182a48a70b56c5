package pki

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CRLs is a set of revocation lists: of each issuer the newest, and older ones as
// far as they revoke what no newer one does. So no list takes back what another
// one of its issuer says, in whichever order they come: RFC 5280 has an entry leave
// the list of its issuer once its certificate has expired, which only the issuer
// knows, and what is left out by mistake looks the same. A set does not change:
// With returns another one. Nil is the empty set.
type CRLs struct {
	lists map[Digest][]*CRL // by the issuer's KeyID; the newest first
}

// Revocation says which certificate of a chain is revoked.
type Revocation struct {
	Level   int // in the chain: 0 is the leaf
	Subject string
	Serial  string
	At      time.Time
	Reason  int
}

// With returns the set with a list added, and without those of the same issuer that
// say nothing more. A list that it has changes nothing; one that is not newer than
// the newest and revokes nothing else is refused with ErrCRLOld.
func (c *CRLs) With(l *CRL) (*CRLs, error) {
	old := c.of(l.Key)
	if slices.ContainsFunc(old, func(o *CRL) bool { return bytes.Equal(l.der, o.der) }) {
		return c, nil
	}
	if len(old) > 0 && l.Number.Cmp(old[0].Number) <= 0 && !l.revokesMore(old) {
		return nil, fmt.Errorf("%w: the list of %q has number %v, that of %s with number %v is known",
			ErrCRLOld, l.Issuer, l.Number, timeText(old[0].ThisUpdate), old[0].Number)
	}
	next := &CRLs{lists: map[Digest][]*CRL{}}
	if c != nil {
		next.lists = maps.Clone(c.lists)
	}
	next.lists[l.Key] = needed(append(slices.Clone(old), l))
	return next, nil
}

// needed returns the newest of an issuer's lists and those that revoke what no newer
// one does, the newest first.
func needed(all []*CRL) []*CRL {
	slices.SortFunc(all, func(x, y *CRL) int { return cmp.Or(y.Number.Cmp(x.Number), bytes.Compare(y.der, x.der)) })
	kept := all[:1:1]
	for _, l := range all[1:] {
		if l.revokesMore(kept) {
			kept = append(kept, l)
		}
	}
	return kept
}

// revokesMore reports whether a list has an entry that none of the others has.
func (l *CRL) revokesMore(others []*CRL) bool {
	return slices.ContainsFunc(l.Entries, func(e Entry) bool {
		_, known := entry(others, e.Serial)
		return !known
	})
}

// entry returns what the first of an issuer's lists that has a serial number says.
func entry(lists []*CRL, serial string) (Entry, bool) {
	for _, l := range lists {
		if e, ok := l.found[serial]; ok {
			return e, true
		}
	}
	return Entry{}, false
}

func (c *CRLs) of(key Digest) []*CRL {
	if c == nil {
		return nil
	}
	return c.lists[key]
}

// Of returns the newest list of the issuer with a [KeyID], or nil.
func (c *CRLs) Of(key Digest) *CRL {
	if all := c.of(key); len(all) > 0 {
		return all[0]
	}
	return nil
}

// All returns the lists, by the KeyIDs of their issuers, and of each the newest
// first.
func (c *CRLs) All() []*CRL {
	if c == nil {
		return nil
	}
	var all []*CRL
	for _, key := range slices.SortedFunc(maps.Keys(c.lists), func(x, y Digest) int { return bytes.Compare(x[:], y[:]) }) {
		all = append(all, c.lists[key]...)
	}
	return all
}

// Revoked returns the uppermost certificate of a chain that is revoked, and whether
// there is one: it takes all below it along.
func (c *CRLs) Revoked(chain []Link) (Revocation, bool) {
	for i, link := range slices.Backward(chain) {
		if e, ok := entry(c.of(link.Issuer), link.Serial); ok {
			return Revocation{Level: i, Subject: link.Subject, Serial: e.Serial, At: e.At, Reason: e.Reason}, true
		}
	}
	return Revocation{}, false
}
