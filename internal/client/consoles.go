package client

import (
	"context"
	"encoding/json"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Consoles calls each with the lines of all consoles at and below a path, those
// that were written before in the order of their times, and ends with these unless
// w.Follow is set, or with the error of each. A context that ends one that follows
// is no error. It reports whether there was any console.
func (c Client) Consoles(ctx context.Context, p vm.Path, w api.ConsolesWanted, each func(Line) error) (known bool, err error) {
	x, err := c.open(ctx, console)
	if err != nil {
		return false, err
	}
	defer x.close()
	if !x.knows(api.VerbConsoles) {
		return false, x.lacks("show several consoles at once")
	}
	body, err := json.Marshal(w)
	if err != nil {
		return false, err
	}
	if err := x.send(vm.MakeName(p, ""), wire.Private{Verb: api.VerbConsoles, Body: body}); err != nil {
		return false, x.broken(err)
	}
	end, err := x.recalled(each)
	if err != nil {
		if w.Follow && ctx.Err() != nil {
			err = nil
		}
		return false, err
	}
	if !w.Follow {
		return end.Known, nil
	}
	x.conn.reads = 0
	return end.Known, x.follow(each)
}
