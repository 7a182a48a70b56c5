package client_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// someRecords are one a minute.
func someRecords(t *testing.T) []api.AuditRecord {
	www := name(t, "shop.www")
	return []api.AuditRecord{
		{Sequence: 1, Time: epoch, Outcome: api.AuditRefused, Text: "expired", Chain: []api.AuditLink{{Subject: "\x1b[2J", Serial: "0a", Fingerprint: "f"}}},
		{Sequence: 2, Time: epoch.Add(time.Minute), Name: &www, Command: "create", Outcome: api.AuditDone, Peer: "192.0.2.1:7", Chain: []api.AuditLink{{Subject: "www"}, {Subject: "shop"}}},
		{Sequence: 3, Time: epoch.Add(2 * time.Minute), Name: &www, Command: "console", Outcome: api.AuditBegun, Chain: []api.AuditLink{{Subject: "shop"}}, Request: "r"},
	}
}

func TestAudit(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	records := someRecords(t)
	host.SetAudit(clienttest.Audit{Records: records})
	third := records[2].Time
	for _, tt := range []struct {
		of   string
		w    api.AuditWanted
		want []api.AuditRecord
	}{
		{".", api.AuditWanted{Verify: true}, records},
		{"shop.", api.AuditWanted{}, records[1:]},
		{"shop.www", api.AuditWanted{Count: 1}, records[2:]},
		{".", api.AuditWanted{Since: &third}, records[2:]},
		{".", api.AuditWanted{Subject: "www"}, records[1:2]},
		{"nobody", api.AuditWanted{}, nil},
	} {
		var got []api.AuditRecord
		err := c.Audit(t.Context(), name(t, tt.of), tt.w, func(r api.AuditRecord, line []byte) error {
			var again api.AuditRecord
			if err := json.Unmarshal(line, &again); err != nil || again.Sequence != r.Sequence {
				t.Errorf("record %d is the line %s", r.Sequence, line)
			}
			got = append(got, r)
			return nil
		})
		if diff := cmp.Diff(tt.want, got, compareNames); diff != "" || err != nil {
			t.Errorf("audit of %s, %+v: %v %s", tt.of, tt.w, err, diff)
		}
	}
	enough := errors.New("enough")
	if err := c.Audit(t.Context(), vm.Name{}, api.AuditWanted{}, func(api.AuditRecord, []byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of the function", err)
	}
}

// TestAuditOfAnother: what a daemon sends is a record, and harmless to print.
func TestAuditOfAnother(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	for _, bad := range []string{"{", "[]", `{"outcome":"é"}`, "{\"outcome\":\"\u009b2J\"}", "{\n}", `{"name":"a b"}`} {
		host.SetAudit(clienttest.Audit{Records: someRecords(t), Break: []byte(bad)})
		seen := 0
		err := c.Audit(t.Context(), vm.Name{}, api.AuditWanted{}, func(api.AuditRecord, []byte) error { seen++; return nil })
		if !errors.Is(err, client.ErrBroken) || !errors.Is(err, wire.ErrMalformed) || seen != 1 {
			t.Errorf("%q: Audit = %v after %d", bad, err, seen)
		}
	}
}

func TestVerifyAudit(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	hash := strings.Repeat("a", 64)
	want := api.AuditReport{
		Records: 3, Segments: 1, Bytes: 1000, First: 1, Since: epoch, Last: 3, Until: epoch.Add(time.Minute), LastHash: hash, Torn: 7, More: 2,
		Faults: []api.AuditFault{{Sequence: 2, File: "f", Line: 3, Kind: api.FaultChanged, Text: "no"}},
	}
	host.SetAudit(clienttest.Audit{Report: want})
	for _, known := range []*api.AuditAnchor{nil, {Sequence: 3, Hash: hash}} {
		got, err := c.VerifyAudit(t.Context(), known)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
	}
	got, err := c.VerifyAudit(t.Context(), &api.AuditAnchor{Sequence: 4, Hash: hash})
	if err != nil || len(got.Faults) != 2 {
		t.Errorf("with another anchor: %+v, %v", got, err)
	}
	host.SetAudit(clienttest.Audit{None: true})
	if _, err := c.VerifyAudit(t.Context(), nil); err == nil || err.Error() != "there is no audit log" {
		t.Errorf("VerifyAudit = %v", err)
	}
	if err := c.Audit(t.Context(), vm.Name{}, api.AuditWanted{}, nil); err == nil || err.Error() != "there is no audit log" {
		t.Errorf("Audit = %v", err)
	}
}

func TestAuditNeedsADaemonThatKnowsIt(t *testing.T) {
	c, _, _ := withHost(t, api.State{}, true)
	err := c.Audit(t.Context(), vm.Name{}, api.AuditWanted{}, nil)
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Unavailable {
		t.Errorf("Audit = %v, want that the daemon is too old", err)
	}
	if _, err := at(t).VerifyAudit(t.Context(), nil); !errors.Is(err, client.ErrConnect) {
		t.Errorf("VerifyAudit = %v, want that nobody listens", err)
	}
}
