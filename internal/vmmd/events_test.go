package vmmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// events asks what happened, and returns a client that may read it.
func (d *rig) events(n string, w api.EventsWanted) *client {
	d.t.Helper()
	c := d.dial()
	c.greet("")
	body, err := json.Marshal(w)
	must(d.t, err)
	c.send(n, wire.Private{Verb: api.VerbEvents, Body: body})
	if reply, ok := c.receive().(wire.ReplyPrivate); !ok || string(reply.Body) != "{}" {
		d.t.Fatalf("answered %+v", reply)
	}
	return c
}

func (c *client) greet(request string) {
	c.t.Helper()
	body, err := json.Marshal(api.Hello{Client: "test", Request: request})
	must(c.t, err)
	c.send(":", wire.Private{Verb: api.VerbHello, Body: body})
	c.receive()
}

// event reads the next event as "kind name", or "" at the end.
func (c *client) event() (string, api.Event) {
	c.t.Helper()
	b, err := c.in.Chunk()
	must(c.t, err)
	if len(b) == 0 {
		return "", api.Event{}
	}
	var e api.Event
	must(c.t, json.Unmarshal(b, &e))
	return fmt.Sprintf("%s %s", e.Kind, e.Name), e
}

// rest reads events up to the end.
func (c *client) rest() (all []string) {
	c.t.Helper()
	for {
		s, _ := c.event()
		if s == "" {
			return all
		}
		all = append(all, s)
	}
}

func TestEventsAreTold(t *testing.T) {
	d := start(t)
	before := time.Now()
	hello := d.dial()
	hello.greet("abc")
	hello.send("a:b", wire.UnikernelCreate{Config: config(), Image: guestImage(t, "ticker")})
	if got := hello.receive(); !cmp.Equal(got, text("created unikernel")) {
		t.Fatal(got)
	}
	d.wants("a:b", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	d.ask("x:y", wire.UnikernelCreate{Config: config(), Image: []byte("\x7fELF, but not really")})
	d.ask("x:z", wire.UnikernelCreate{Config: vm.Config{Compressed: true, Arguments: config().Arguments}, Image: []byte("x\xffy")})
	for _, tt := range []struct {
		of   string
		w    api.EventsWanted
		want []string
	}{
		{":", api.EventsWanted{}, []string{"host-up .", "created a.b", "ended a.b", "destroyed a.b", "refused x.y", "refused x.z"}},
		{"a:", api.EventsWanted{}, []string{"created a.b", "ended a.b", "destroyed a.b"}},
		{":", api.EventsWanted{Count: 2}, []string{"refused x.y", "refused x.z"}},
		{"a:b", api.EventsWanted{Since: &before}, []string{"created a.b", "ended a.b", "destroyed a.b"}},
		{"a:b", api.EventsWanted{Since: &time.Time{}, Count: 1}, []string{"created a.b", "ended a.b", "destroyed a.b"}},
		{"a:c", api.EventsWanted{}, nil},
	} {
		c := d.events(tt.of, tt.w)
		if diff := cmp.Diff(tt.want, c.rest()); diff != "" {
			t.Errorf("events of %s, %+v: %s", tt.of, tt.w, diff)
		}
		if _, err := c.in.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the events came %v", err)
		}
	}
	if _, e := d.events("a:b", api.EventsWanted{}).event(); e.Request != "abc" || e.PID == 0 {
		t.Errorf("%+v, want the request", e)
	}
}

func TestEventsRefuseNonsense(t *testing.T) {
	d := start(t)
	for _, body := range []string{"{", `{"count":-1}`, `{"since":"yesterday"}`} {
		c := d.dial()
		c.greet("")
		c.send(":", wire.Private{Verb: api.VerbEvents, Body: []byte(body)})
		if p, ok := c.receive().(wire.Problem); !ok || p.Code != string(api.Invalid) {
			t.Errorf("%s is answered by %+v", body, p)
		}
	}
}

// TestEventsAreFollowed until the client leaves, which the daemon notices.
func TestEventsAreFollowed(t *testing.T) {
	d := start(t)
	c := d.events("grp:", api.EventsWanted{Follow: true})
	policy := wire.PolicyAdd{Policy: vm.Policy{Unikernels: 4, CPUs: vm.MakeSet(0), Memory: 128}}
	d.wants("other:", policy, text("added policy"))
	d.wants("grp:sub:", policy, text("added policy"))
	d.wants("grp:sub:", wire.PolicyRemove{}, text("removed policy"))
	for _, want := range []string{"policy-set grp.sub.", "policy-removed grp.sub."} {
		if got, _ := c.event(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok {
		t.Fatalf("a %T has no half to close", c.conn)
	}
	must(t, half.CloseWrite())
	if b, err := c.in.Chunk(); !errors.Is(err, io.EOF) {
		t.Errorf("after the client left came %q, %v", b, err)
	}
	d.events(":", api.EventsWanted{Follow: true}) // which the end of the daemon ends
}
