package host

import (
	"context"
	"errors"
	"fmt"

	"albatross/internal/pki"
	"albatross/internal/vm"
)

// DestroyRevoked destroys the unikernels that were created by certificates which
// are revoked, and returns which those are. Others are not touched.
func (h *Host) DestroyRevoked(ctx context.Context, revoked func(chain []pki.Link) bool) ([]vm.Name, error) {
	var condemned []vm.Name
	h.mu.Lock()
	for n, u := range h.units {
		if u.createdByRevoked(revoked) {
			condemned = append(condemned, n)
		}
	}
	h.mu.Unlock()
	var names []vm.Name
	var errs []error
	for _, n := range condemned {
		destroyed, err := h.destroyRevoked(ctx, n, revoked)
		if destroyed {
			names = append(names, n)
		}
		errs = append(errs, err)
	}
	return names, errors.Join(errs...)
}

// createdByRevoked reports whether one from afar created u whose certificate, or one
// above it, is revoked.
func (u *unit) createdByRevoked(revoked func(chain []pki.Link) bool) bool {
	return len(u.record.Chain) > 0 && revoked(u.record.Chain)
}

// destroyRevoked destroys the unikernel n, which may be another one by now, or gone:
// it is asked again whether it was created by a certificate that is revoked. It
// reports whether it was and has been destroyed.
func (h *Host) destroyRevoked(ctx context.Context, n vm.Name, revoked func(chain []pki.Link) bool) (bool, error) {
	unlock, err := h.names.lock(ctx, n)
	if err != nil {
		return false, fmt.Errorf("destroying %s: %w", n, err)
	}
	defer unlock()
	u := h.unit(n)
	if u == nil || !u.createdByRevoked(revoked) {
		return false, nil
	}
	if err := h.destroy(ctx, u, "a certificate that it was created by is revoked"); err != nil {
		return false, err
	}
	return true, nil
}
