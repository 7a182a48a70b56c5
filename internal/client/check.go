package client

import (
	"context"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// Check has the daemon compare its records, images and block devices with each
// other. It reads all of them before it answers, so that the answer may take as
// long as patience, 0: for ever; ctx ends the wait.
func (c Client) Check(ctx context.Context, patience time.Duration) (api.Check, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return api.Check{}, err
	}
	defer x.close()
	if !x.knows(api.VerbCheck) {
		return api.Check{}, x.lacks("check its records")
	}
	x.patience, x.conn.reads = patience, patience
	var found api.Check
	return found, x.private(vm.Name{}, api.VerbCheck, &found)
}
