package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/paths"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// someEvents are one a minute, in the path shop but the first.
func someEvents(t *testing.T) []api.Event {
	return []api.Event{
		{Sequence: 1, At: epoch, Kind: api.EventHostUp, Text: "none running"},
		{Sequence: 2, At: epoch.Add(time.Minute), Kind: api.EventCreated, Name: name(t, "shop.www"), PID: 7, Request: "r"},
		{Sequence: 3, At: epoch.Add(2 * time.Minute), Kind: api.EventEnded, Name: name(t, "shop.www"), Exit: &vm.Exit{Code: 3}, Text: "\x1b[2J"},
		{Sequence: 4, At: epoch.Add(3 * time.Minute), Kind: api.EventBlockAdded, Name: name(t, "shop.data")},
	}
}

func TestEvents(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	past := someEvents(t)
	host.SetEvents(clienttest.Events{Past: past, Later: past})
	third := past[2].At
	for _, tt := range []struct {
		of   string
		w    api.EventsWanted
		want []api.Event
	}{
		{".", api.EventsWanted{}, past},
		{"shop.", api.EventsWanted{}, past[1:]},
		{"shop.www", api.EventsWanted{Count: 1}, past[2:3]},
		{".", api.EventsWanted{Since: &third}, past[2:]},
		{"nobody", api.EventsWanted{}, nil},
	} {
		var got []api.Event
		err := c.Events(t.Context(), name(t, tt.of), tt.w, func(e api.Event) error {
			got = append(got, e)
			return nil
		})
		if diff := cmp.Diff(tt.want, got, compareNames); diff != "" || err != nil {
			t.Errorf("events of %s, %+v: %v %s", tt.of, tt.w, err, diff)
		}
	}
	enough := errors.New("enough")
	if err := c.Events(t.Context(), vm.Name{}, api.EventsWanted{}, func(api.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of the function", err)
	}
}

func TestFollowEvents(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	past := someEvents(t)
	host.SetEvents(clienttest.Events{Past: past[:3], Later: past[3:]})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []api.Event
	follow := api.EventsWanted{Count: 1, Follow: true}
	err := c.Events(ctx, vm.Name{}, follow, func(e api.Event) error {
		if got = append(got, e); e.Sequence == 4 {
			cancel()
		}
		return nil
	})
	if diff := cmp.Diff(past[2:], got, compareNames); diff != "" || err != nil {
		t.Errorf("Events: %v %s", err, diff)
	}

	host.SetEvents(clienttest.Events{Past: past, Ends: true})
	err = c.Events(t.Context(), vm.Name{}, follow, func(api.Event) error { return nil })
	check(t, err, client.ErrBroken, api.Unavailable, "albatrossd ended the stream", "ask again")
	if !errors.Is(err, client.ErrEnded) || !client.Gone(err) {
		t.Errorf("%v does not tell that the daemon is gone", err)
	}
}

// TestGone: what another daemon may answer, and what it will not either.
func TestGone(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	host.SetEvents(clienttest.Events{Past: someEvents(t), Break: true})
	err := c.Events(t.Context(), vm.Name{}, api.EventsWanted{Follow: true}, func(api.Event) error { return nil })
	if err == nil || client.Gone(err) || errors.Is(err, client.ErrEnded) {
		t.Errorf("%v tells that the daemon is gone", err)
	}
	c.Tmp = paths.Tmp(t.TempDir())
	err = c.Events(t.Context(), vm.Name{}, api.EventsWanted{Follow: true}, func(api.Event) error { return nil })
	if !client.Gone(err) || errors.Is(err, client.ErrEnded) {
		t.Errorf("%v does not tell that the daemon is gone, or that one ended", err)
	}
}

func TestEventsThatAreNone(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	host.SetEvents(clienttest.Events{Past: someEvents(t), Break: true})
	seen := 0
	err := c.Events(t.Context(), vm.Name{}, api.EventsWanted{}, func(api.Event) error { seen++; return nil })
	if !errors.Is(err, client.ErrBroken) || !errors.Is(err, wire.ErrMalformed) || seen != 1 {
		t.Errorf("Events = %v after %d", err, seen)
	}
}

func TestEventsNeedADaemonThatKnowsThem(t *testing.T) {
	c, _, _ := withHost(t, api.State{}, true)
	err := c.Events(t.Context(), vm.Name{}, api.EventsWanted{}, func(api.Event) error { return nil })
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Unavailable {
		t.Errorf("Events = %v, want that the daemon is too old", err)
	}
}
