package revoked

import (
	"errors"
	"fmt"

	"albatross/internal/pki"
)

// Limits of what is kept. Lists of the root CA and of CAs that it signed itself are
// bounded by MaxSize only.
const (
	MaxSize      = 1 << 20 // bytes of a file
	MaxLists     = 32      // of CAs deeper below one delegation of the root CA
	MaxListsSize = 1 << 20 // bytes of those together
)

// ErrFull tells that a delegation has too many lists below it.
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
	if err := checkRoom(set, crl); err != nil {
		return nil, err
	}
	return next, nil
}

// deep reports whether neither the root CA nor one that it signed made a list.
func deep(crl *pki.CRL) bool {
	top := crl.Top()
	return top != pki.Digest{} && top != crl.Key
}

// checkRoom refuses a list that is too much for the delegation it belongs to.
func checkRoom(set *pki.CRLs, crl *pki.CRL) error {
	if !deep(crl) {
		return nil
	}
	lists, size := 1, len(crl.PEM())
	for _, other := range set.All() {
		if other.Key != crl.Key && deep(other) && other.Top() == crl.Top() {
			lists++
			size += len(other.PEM())
		}
	}
	if lists > MaxLists || size > MaxListsSize {
		return fmt.Errorf("%w: the list of %q would be number %d of at most %d, with %d bytes together of at most %d",
			ErrFull, crl.Issuer, lists, MaxLists, size, MaxListsSize)
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
