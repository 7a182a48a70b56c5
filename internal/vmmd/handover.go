package vmmd

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"albatross/internal/api"
	"albatross/internal/host"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// handover is stats for our own statistics daemon, which may look at nothing by
// itself: it gets descriptors. See [api.HandoverWanted] for the conversation.
func (x *exchange) handover(h wire.Header, body []byte) (wire.Payload, error) {
	var wanted api.HandoverWanted
	if err := json.Unmarshal(body, &wanted); err != nil {
		return nil, api.Errorf(api.Invalid, "handover: %w", err)
	}
	t := &teller{exchange: x, left: wanted.Descriptors, has: map[vm.Name]int{}}
	return nil, x.tellChanges(h, wire.ReplyPrivate{Body: []byte("{}")}, t.tell)
}

// teller hands over descriptors.
type teller struct {
	*exchange
	left int             // descriptors that the other side can still hold
	has  map[vm.Name]int // how many it holds of each unikernel
}

// tell tells of a change. A process that has ended by now is not told of: its end
// is a change too.
func (t *teller) tell(h wire.Header, c host.Change) error {
	t.left += t.has[c.Name] // it drops what it had
	delete(t.has, c.Name)
	if !c.Runs || t.left < api.HandoverMost {
		return t.conn.Reply(h, statsCommand(c))
	}
	d, err := t.host.Describe(t.ctx, c)
	switch {
	case errors.Is(err, host.ErrEnded):
		return nil
	case err != nil:
		t.conn.Log().Warn("statistics are told a number only", "unikernel", c.Name, "error", err)
		return t.conn.Reply(h, statsCommand(c))
	}
	if err := t.send(h, c, d); err != nil {
		return errors.Join(err, d.Close())
	}
	t.has[c.Name] = len(d)
	t.left -= len(d)
	return d.Close()
}

// send sends what a process is looked at with.
func (t *teller) send(h wire.Header, c host.Change, d host.Descriptors) error {
	told := api.Handover{PID: c.PID, Files: slices.Sorted(maps.Keys(d))}
	for _, tap := range c.Taps {
		told.Taps = append(told.Taps, api.HandedTap{Interface: tap.Interface, Tap: tap.Tap})
	}
	var fds []int
	for _, name := range told.Files {
		fds = append(fds, d[name].Int())
	}
	body, err := json.Marshal(told)
	if err != nil {
		return err
	}
	return t.conn.ReplyWith(h, wire.Private{Verb: api.VerbHandover, Body: body}, fds...)
}
