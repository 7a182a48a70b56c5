package revoked

import (
	"errors"
	"fmt"

	"albatross/internal/pki"
)

// Limits of what is kept.
const (
	MaxSize      = 1 << 20 // bytes of a file, and of all lists of one issuer together
	MaxPerIssuer = 64      // lists of one issuer: older ones revoke what newer ones do not, as where expired entries are left out
	MaxLists     = 32      // of CAs deeper below one delegation of the root CA
	MaxListsSize = 1 << 20 // bytes of those together
)

// ErrFull tells that an issuer, or a delegation with those below it, has too many
// lists.
var ErrFull = errors.New("this host keeps no more revocation lists for this delegation")

// with returns the set with a list, or the same set if it has that list.
// The error matches [pki.ErrCRLOld], [pki.ErrCRL] or [ErrFull].
func with(set *pki.CRLs, crl *pki.CRL) (*pki.CRLs, error) {
	next, err := set.With(crl)
	if err != nil || next == set {
		return next, err
	}
	if size := len(crl.PEM()); size > MaxSize {
		return nil, fmt.Errorf("%w: it has %d bytes, the limit is %d", pki.ErrCRL, size, MaxSize)
	}
	if err := checkRoom(next, crl); err != nil {
		return nil, err
	}
	return next, nil
}

// deep reports whether neither the root CA nor one that it signed made a list.
func deep(crl *pki.CRL) bool {
	top := crl.Top()
	return top != pki.Digest{} && top != crl.Key
}

// load is how much some lists are.
type load struct{ lists, size int }

func (l *load) add(crl *pki.CRL) {
	l.lists++
	l.size += len(crl.PEM())
}

// checkRoom refuses a set with a list that is too much for its issuer, or for the
// delegation that it belongs to. A list that has all that older ones of its issuer
// have takes their place, so there is always room for that.
func checkRoom(set *pki.CRLs, crl *pki.CRL) error {
	var same, below load
	for _, other := range set.All() {
		if other.Key == crl.Key {
			same.add(other)
		}
		if deep(other) && other.Top() == crl.Top() {
			below.add(other)
		}
	}
	if same.lists > MaxPerIssuer || same.size > MaxSize {
		return fmt.Errorf("%w: older ones of %q revoke what this one leaves out, and together they would be %d of at most %d, with %d bytes of at most %d: make one that has it all",
			ErrFull, crl.Issuer, same.lists, MaxPerIssuer, same.size, MaxSize)
	}
	if deep(crl) && (below.lists > MaxLists || below.size > MaxListsSize) {
		return fmt.Errorf("%w: with the list of %q there would be %d of at most %d, with %d bytes together of at most %d",
			ErrFull, crl.Issuer, below.lists, MaxLists, below.size, MaxListsSize)
	}
	return nil
}

// worthKeeping refuses a new list that changes nothing: one of a CA that is revoked
// with all below it, and one that takes nothing back, nor has a CA deeper below the
// root made one before.
func worthKeeping(set *pki.CRLs, crl *pki.CRL) error {
	if r, gone := set.Revoked(crl.Issuers()); gone {
		return fmt.Errorf("%w: the list of %q is not taken, for %q, serial %s, is revoked", pki.ErrRevoked, crl.Issuer, r.Subject, r.Serial)
	}
	if deep(crl) && len(crl.Entries) == 0 && set.Of(crl.Key) == nil {
		return fmt.Errorf("%w: the list of %q is its first and revokes nothing", pki.ErrCRL, crl.Issuer)
	}
	return nil
}
