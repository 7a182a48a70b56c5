package vmmd

import (
	"encoding/json"
	"testing"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/pki"
	"albatross/internal/request"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// welcome answers the hello of albatrossd as another daemon, and returns it with the
// command that follows.
func welcome(in *wire.Reader, out *wire.Writer) (hello api.Hello, m wire.Message, err error) {
	if m, err = in.Next(); err != nil {
		return hello, m, err
	}
	p, ok := m.Payload.(wire.Private)
	if !ok || p.Verb != api.VerbHello {
		return hello, m, wire.ErrMalformed
	}
	if err = json.Unmarshal(p.Body, &hello); err != nil {
		return hello, m, err
	}
	if err = out.WriteMessage(wire.Message{Header: m.Header, Payload: wire.ReplyPrivate{Body: []byte("{}")}}); err == nil {
		m, err = in.Next()
	}
	return hello, m, err
}

// TestRequestFromAfar is called by its certificate in the event log and the audit log,
// whatever the endpoint says.
func TestRequestFromAfar(t *testing.T) {
	d := startFar(t)
	c := chain(t, d.ca, pki.Request{Name: "www", Command: wire.UnikernelCreate{Config: config(), Image: guestImage(t, "ticker")}})
	want := request.OfLeaf(c[0])
	wantText(t, d.present(c).receive(), "created unikernel")
	wantText(t, d.command(d.ca, "www", wire.UnikernelDestroy{}), "destroyed unikernel")

	var requests []string
	events := d.events(":www", api.EventsWanted{})
	for _, kind := range []string{"created", "ended", "destroyed"} {
		got, e := events.event()
		if got != kind+" www" || e.Request == "" {
			t.Errorf("%+v", e)
		}
		requests = append(requests, e.Request)
	}
	if requests[0] != want || requests[1] != requests[2] || requests[1] == want {
		t.Errorf("the requests are %q, want %s and another one", requests, want)
	}
	var recorded []string
	must(t, d.far.audit.Read(t.Context(), audit.Wanted{Name: vm.MakeName(vm.Path{}, "www")}, func(r api.AuditRecord, _ []byte) error {
		recorded = append(recorded, r.Command+" "+r.Outcome+" "+r.Request)
		return nil
	}))
	if len(recorded) < 2 || recorded[0] != "create begun "+want || recorded[1] != "create done "+want {
		t.Errorf("recorded are %q", recorded)
	}
}
