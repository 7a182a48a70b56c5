package host

import (
	"context"
	"errors"

	"albatross/internal/pki"
	"albatross/internal/vm"
)

// DestroyRevoked destroys the unikernels that were created by certificates which
// are revoked, and returns which those are. Others are not touched.
func (h *Host) DestroyRevoked(ctx context.Context, revoked func(chain []pki.Link) bool) ([]vm.Name, error) {
	var condemned []*unit
	h.mu.Lock()
	for _, u := range h.units {
		if len(u.record.Chain) > 0 && revoked(u.record.Chain) {
			condemned = append(condemned, u)
		}
	}
	h.mu.Unlock()
	var names []vm.Name
	var errs []error
	for _, u := range condemned {
		n, err := h.destroyRevoked(ctx, u)
		if err == nil {
			names = append(names, n)
		}
		errs = append(errs, err)
	}
	return names, errors.Join(errs...)
}

// destroyRevoked destroys u unless another unikernel has its name by now.
func (h *Host) destroyRevoked(ctx context.Context, u *unit) (vm.Name, error) {
	n := u.record.Name // which never changes
	unlock, err := h.names.lock(ctx, n)
	if err != nil {
		return n, err
	}
	defer unlock()
	if h.unit(n) != u {
		return n, nil
	}
	return n, h.destroy(ctx, u, "a certificate that it was created by is revoked")
}
