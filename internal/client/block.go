package client

import (
	"context"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Blocks lists block devices with full names: the one that n names, or all
// below it if it is a path.
func (c Client) Blocks(ctx context.Context, n vm.Name) ([]wire.BlockDevice, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return nil, err
	}
	defer x.close()
	s, err := x.ask(n, wire.BlockInfo{})
	if err != nil {
		return nil, err
	}
	r, ok := s.(wire.ReplyBlocks)
	if !ok {
		return nil, unexpected(x.service, s)
	}
	for i := range r.Devices {
		r.Devices[i].Name = x.asked(n, r.Devices[i].Name)
	}
	return r.Devices, nil
}

// CreateBlock makes a block device of so many MB, full of zeros. It returns what
// the daemon says about it.
func (c Client) CreateBlock(ctx context.Context, n vm.Name, size int) (string, error) {
	return c.text(ctx, n, wire.BlockAdd{Size: size})
}

// DestroyBlock removes a block device and its content. It returns what the
// daemon says about it.
func (c Client) DestroyBlock(ctx context.Context, n vm.Name) (string, error) {
	return c.text(ctx, n, wire.BlockRemove{})
}
