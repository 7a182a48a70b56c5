package vmmd

import (
	"encoding/json"
	"time"

	"albatross/internal/api"
	"albatross/internal/events"
	"albatross/internal/wire"
)

// events answers with what happened, an event in each raw frame, and the empty
// frame; or goes on with what happens until the client leaves or the daemon stops.
func (x *exchange) events(h wire.Header, body []byte) error {
	var asked api.EventsWanted
	if err := json.Unmarshal(body, &asked); len(body) > 0 && err != nil {
		return api.Errorf(api.Invalid, "events: %w", err)
	}
	if asked.Count < 0 || asked.After < 0 {
		return api.Errorf(api.Invalid, "events: a count of %d or a number of %d is less than none", asked.Count, asked.After)
	}
	if err := x.conn.Reply(h, wire.ReplyPrivate{Body: []byte("{}")}); err != nil {
		return &brokenError{err}
	}
	wanted := events.Wanted{Name: h.Name, After: asked.After, Count: asked.Count}
	if asked.Since != nil {
		// The zero time says that none is wanted.
		wanted.Since = later(*asked.Since, time.Unix(0, 0))
	}
	if asked.Follow {
		return x.follow(wanted)
	}
	err := x.host.Events().Read(x.ctx, wanted, x.tell)
	if err == nil {
		err = x.conn.Writer().WriteChunk(nil)
	}
	if err != nil {
		return &brokenError{err}
	}
	return nil
}

// follow tells of events for ever.
func (x *exchange) follow(wanted events.Wanted) error {
	ctx, stop := x.conn.Watch(x.ctx)
	defer stop()
	return &brokenError{x.host.Events().Follow(ctx, wanted, x.tell)}
}

// tell sends an event.
func (x *exchange) tell(e api.Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return x.conn.Writer().WriteChunk(b)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
