package host

import (
	"context"
	"errors"
	"fmt"
	"io"

	"albatross/internal/api"
	"albatross/internal/block"
	"albatross/internal/vm"
)

// BlockDevice is a block device and whether a unikernel has it.
type BlockDevice struct {
	Name   vm.Name
	Size   int // MB
	Active bool
}

// Blocks returns the block device n, or all in the path that n stands for, in the
// order of their names.
func (h *Host) Blocks(n vm.Name) ([]BlockDevice, error) {
	all, _, err := h.blocks.List()
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []BlockDevice
	for _, d := range all {
		if n.Contains(d.Name) {
			_, used := h.devices[d.Name]
			found = append(found, BlockDevice{Name: d.Name, Size: d.Size, Active: used})
		}
	}
	return found, nil
}

// AddBlock makes a block device of size MB, full of zeros.
func (h *Host) AddBlock(ctx context.Context, n vm.Name, size int) (err error) {
	defer func() { h.Refused(ctx, "create-block", n, err) }()
	unlock, err := h.lockBlock(ctx, n)
	if err != nil {
		return err
	}
	defer unlock()
	// First, so that the error is about the name and not about the policy.
	if err := h.checkAbsent(n); err != nil {
		return err
	}
	h.mu.Lock()
	err = h.tree.ReserveBlock(n, size)
	h.mu.Unlock()
	if err != nil {
		return policyError(err)
	}
	if err := h.blocks.Create(n, size); err != nil {
		h.releaseBlock(n)
		return blockError(err)
	}
	h.log.InfoContext(ctx, "block device added", "block", n, "size", size)
	h.done(ctx, api.EventBlockAdded, n, fmt.Sprintf("%d MB", size))
	return nil
}

// RemoveBlock removes a block device that no unikernel has.
func (h *Host) RemoveBlock(ctx context.Context, n vm.Name) (err error) {
	defer func() { h.Refused(ctx, "destroy-block", n, err) }()
	unlock, err := h.lockBlock(ctx, n)
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.freeBlock(n); err != nil {
		return err
	}
	if err := h.blocks.Remove(n); err != nil {
		return blockError(err)
	}
	h.releaseBlock(n)
	h.log.InfoContext(ctx, "block device removed", "block", n)
	h.done(ctx, api.EventBlockRemoved, n, "")
	return nil
}

// checkAbsent refuses to make a block device that there is.
func (h *Host) checkAbsent(n vm.Name) error {
	if _, err := h.blocks.Get(n); err == nil {
		return blockError(fmt.Errorf("block device %s: %w", n, block.ErrExists))
	}
	return nil
}

// SetBlock replaces the content of a block device that no unikernel has. If that
// fails the old content stays.
func (h *Host) SetBlock(ctx context.Context, n vm.Name, content io.Reader, compressed bool) error {
	return h.setBlock(ctx, n, func() error { return h.blocks.Set(ctx, n, content, compressed) })
}

// SetStagedBlock does so with content that was staged for it, which is committed or
// dropped when it returns.
func (h *Host) SetStagedBlock(ctx context.Context, n vm.Name, content *block.Staged) error {
	return errors.Join(h.setBlock(ctx, n, content.Commit), content.Discard())
}

func (h *Host) setBlock(ctx context.Context, n vm.Name, set func() error) (err error) {
	defer func() { h.Refused(ctx, "set-block", n, err) }()
	unlock, err := h.lockBlock(ctx, n)
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.freeBlock(n); err != nil {
		return err
	}
	if err := set(); err != nil {
		return blockError(err)
	}
	h.log.InfoContext(ctx, "block device set", "block", n)
	h.done(ctx, api.EventBlockSet, n, "")
	return nil
}

// BlockContent opens the content of a block device that no unikernel has.
func (h *Host) BlockContent(n vm.Name) (*block.Content, error) {
	if err := h.freeBlock(n); err != nil {
		return nil, err
	}
	c, err := h.blocks.Content(n)
	if err != nil {
		return nil, blockError(err)
	}
	return c, nil
}

// lockBlock serialises operations on one block device. The names of devices and
// of unikernels are apart, so the lock has one that no unikernel can have.
func (h *Host) lockBlock(ctx context.Context, n vm.Name) (unlock func(), err error) {
	if err := checkDeviceName(n); err != nil {
		return nil, err
	}
	return h.blockNames.lock(ctx, n)
}

func checkDeviceName(n vm.Name) error {
	if n.IsPath() {
		return api.Errorf(api.Invalid, "%q is a path, not the name of a block device", n.String())
	}
	return nil
}

// freeBlock refuses if a unikernel has the device, also one that waits for its
// next start.
func (h *Host) freeBlock(n vm.Name) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if owner, used := h.devices[n]; used {
		return api.Errorf(api.InUse, "block device %s is in use by %s", n, owner).Hinted("destroy the unikernel first")
	}
	return nil
}

func (h *Host) releaseBlock(n vm.Name) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.tree.ReleaseBlock(n); err != nil {
		h.log.Error("cannot give back a block device", "block", n, "error", err)
	}
}

// restoreBlocks enters the block devices that exist.
func (h *Host) restoreBlocks() error {
	all, strays, err := h.blocks.List()
	if err != nil {
		return err
	}
	for _, s := range strays {
		h.log.Warn("something among the block devices is none", "file", s.File, "reason", s.Reason)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range all {
		for _, e := range h.tree.RestoreBlock(d.Name, d.Size) {
			h.log.Warn("a block device exceeds a policy; it is kept", "block", d.Name, "reason", e)
		}
	}
	return nil
}

// blockError tells a client about a block device.
func blockError(err error) error {
	for _, known := range []struct {
		err  error
		code api.Code
		hint string
	}{
		{block.ErrNotFound, api.NotFound, "create it first: albatross create-block NAME MB"},
		{block.ErrExists, api.Exists, "choose another name, or destroy it first"},
		{block.ErrInUse, api.InUse, "a block device can be used by one unikernel, or command, at a time"},
		{block.ErrTooLarge, api.Resource, "make a larger block device"},
		{block.ErrNoSpace, api.Resource, "free some on the file system of albatrossd's --dbdir"},
		{block.ErrReplaced, api.InUse, "send it again"},
		{block.ErrNotDevice, api.Invalid, ""},
		{block.ErrInvalid, api.Invalid, ""},
	} {
		if errors.Is(err, known.err) {
			return &api.Error{Code: known.code, Sentence: err.Error(), Hint: known.hint, Err: err}
		}
	}
	return err
}
