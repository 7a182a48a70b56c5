package client

import (
	"context"
	"encoding/json"
	"fmt"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Events calls each with what happened to a unikernel or block device, or at and
// below a path, the oldest first, and ends with the events that there are unless
// w.Follow is set, or with the error of each. A context that ends one that
// follows is no error.
func (c Client) Events(ctx context.Context, n vm.Name, w api.EventsWanted, each func(api.Event) error) error {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return err
	}
	defer x.close()
	if !x.knows(api.VerbEvents) {
		return x.lacks("tell what happened")
	}
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if _, err := x.ask(n, wire.Private{Verb: api.VerbEvents, Body: body}); err != nil {
		return err
	}
	if w.Follow {
		x.conn.reads = 0
	}
	for {
		e, err := x.event()
		switch {
		case x.ctx.Err() != nil && w.Follow:
			return nil
		case err != nil:
			return err
		case e == nil:
			return nil
		}
		if err := each(*e); err != nil {
			return err
		}
	}
}

// event reads the next event; nil stands for the end.
func (x *session) event() (*api.Event, error) {
	b, err := x.reader.Chunk()
	if err != nil {
		return nil, x.lost(err)
	}
	if len(b) == 0 {
		return nil, nil
	}
	e := new(api.Event)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, x.broken(fmt.Errorf("%w: an event: %w", wire.ErrMalformed, err))
	}
	return e, nil
}
