package clienttest

import (
	"encoding/json"
	"io"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Events is what a Host tells of what happened.
type Events struct {
	Past  []api.Event
	Later []api.Event // those who follow get them too
	Ends  bool        // the daemon stops instead of letting them wait on
	Next  *Events     // what the next daemon tells once this one has stopped; nil: the same
	Break bool        // what comes after the first event is none
}

// SetEvents sets what happened.
func (h *Host) SetEvents(e Events) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = e
}

// tell answers the verb events. Nobody else waits meanwhile.
func (h *Host) tell(p *Peer, m wire.Message, body []byte) wire.Payload {
	h.mu.Lock()
	events := h.events
	h.last = &m
	h.mu.Unlock()
	var w api.EventsWanted
	if err := json.Unmarshal(body, &w); err != nil {
		return p.Refuse(api.Errorf(api.Invalid, "events: %w", err))
	}
	if !p.Send(JSON(struct{}{})) {
		return nil
	}
	all := wanted(events.Past, m.Name, w)
	if w.Follow {
		all = append(all, wanted(events.Later, m.Name, api.EventsWanted{After: w.After})...)
	}
	for i, e := range all {
		b, err := json.Marshal(e)
		if err != nil || i == 1 && events.Break {
			b = []byte("{")
		}
		if p.w.WriteChunk(b) != nil {
			return nil
		}
	}
	switch {
	case !w.Follow:
		_ = p.w.WriteChunk(nil) // the client has gone if it fails
	case !events.Ends:
		_, _ = io.Copy(io.Discard, p.Net)
	case events.Next != nil:
		h.SetEvents(*events.Next)
	}
	return nil
}

func wanted(all []api.Event, n vm.Name, w api.EventsWanted) []api.Event {
	var some []api.Event
	for _, e := range all {
		if n.Contains(e.Name) && e.Sequence > w.After && (w.Since == nil || w.After > 0 || !e.At.Before(*w.Since)) {
			some = append(some, e)
		}
	}
	if w.Since == nil && w.After == 0 && w.Count > 0 && w.Count < len(some) {
		some = some[len(some)-w.Count:]
	}
	return some
}
