package vmmd

import (
	"net"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/behalf"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// TestTurnedAway has the endpoint tell what it counts: metrics have the numbers at
// once, and the audit log one record, however often it tells.
func TestTurnedAway(t *testing.T) {
	d := startFar(t)
	tell := func(n behalf.Counts) error {
		t.Helper()
		c, err := net.Dial("unix", d.cfg.Tmp.Remote())
		must(t, err)
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(30*time.Second)))
		return behalf.TellCounts(c, n)
	}
	for range 50 {
		must(t, tell(behalf.Counts{behalf.Stranger: 2, behalf.Limited: 1, behalf.Served: 7, "nonsense": 1}))
	}
	if got := d.logged(); len(got) != 0 {
		t.Errorf("the audit log has %+v", got)
	}
	want := map[string]uint64{"served": 350, "refused": 0, "stranger": 100, "broken": 0, "crowded": 0, "limited": 50, "unavailable": 0}
	var m api.Metrics
	m.Connections = map[string]api.Connections{}
	(&Handler{Host: d.host, far: d.far}).metrics(&m)
	if diff := cmp.Diff(want, m.Endpoint); diff != "" {
		t.Error(diff)
	}
	d.remote.summary()
	d.remote.summary() // nothing was told since
	must(t, tell(behalf.Counts{behalf.Served: 7}))
	d.remote.summary() // nobody was turned away
	got := d.logged()
	if len(got) != 1 || got[0].Outcome != api.AuditRefused || got[0].Peer != "" || len(got[0].Chain) != 0 {
		t.Fatalf("the audit log has %+v", got)
	}
	if text := got[0].Text; !strings.HasPrefix(text, "albatross-tls has turned away 150 connections, as told since ") ||
		!strings.HasSuffix(text, ": 100 strangers, 50 too many clients") {
		t.Errorf("it says %q", text)
	}
	for range 3 { // numbers that cannot be
		must(t, tell(behalf.Counts{behalf.Broken: 1 << 63}))
	}
	if n := d.far.turnedAway.Read()["broken"]; n > mostCounted {
		t.Errorf("counted are %d", n)
	}
	// What is no count ends the connection, and is not kept.
	c, err := net.Dial("unix", d.cfg.Tmp.Remote())
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	must(t, wire.NewWriter(c).WriteMessage(wire.Message{Payload: wire.Private{Verb: behalf.VerbCounts, Body: []byte("[1]")}}))
	if m, err := wire.NewReader(c).Next(); err == nil {
		t.Errorf("answered by %+v", m)
	}
}

// TestCountingEnds adds to numbers that are as large as they get.
func TestCountingEnds(t *testing.T) {
	var a turnedAway
	now := time.Unix(1000, 0)
	for range 3 {
		a.add(behalf.Counts{behalf.Broken: mostCounted, behalf.Crowded: 1}, now)
	}
	if got := a.Read(); got["broken"] != mostCounted || got["crowded"] != 3 {
		t.Errorf("%v", got)
	}
	text, some := turnedAwaySentence(a.take())
	if want := "albatross-tls has turned away 9007199254740995 connections, as told since 1970-01-01 00:16:40 UTC: 9007199254740992 without a handshake, 3 for newer ones"; !some || text != want {
		t.Errorf("%v, %q", some, text)
	}
	if text, some := turnedAwaySentence(a.take()); some {
		t.Error(text)
	}
}

// TestUnrecordedRefusalsAreTold writes to the audit log at the end what had no record.
func TestUnrecordedRefusalsAreTold(t *testing.T) {
	d := startFar(t)
	c := [][]byte{[]byte("no certificate")}
	for range refusalsAtOnce + 5 {
		far := d.present(c)
		wantFailure(t, far.receive(), "")
		_ = far.conn.Close()
	}
	before := len(d.logged())
	d.remote.summary()
	got := d.logged()
	if len(got) != before+1 || !strings.HasSuffix(got[before].Text, "refusals of strangers are not recorded one by one") {
		t.Errorf("%d records, then %+v", before, got[before:])
	}
}
