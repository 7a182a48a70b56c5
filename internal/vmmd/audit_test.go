package vmmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// audited asks for the audit log and returns the lines.
func (d *rig) audited(of string, w api.AuditWanted) (lines []string) {
	d.t.Helper()
	body, err := json.Marshal(w)
	must(d.t, err)
	c := d.dial()
	defer c.conn.Close()
	c.send(of, wire.Private{Verb: api.VerbAudit, Body: body})
	if p := c.receive(); !cmp.Equal(p, wire.Payload(wire.ReplyPrivate{Body: []byte("{}")})) {
		d.t.Fatalf("the answer is %+v", p)
	}
	for {
		line, err := c.in.Chunk()
		must(d.t, err)
		if len(line) == 0 {
			return lines
		}
		lines = append(lines, string(line))
	}
}

// verifiedAudit asks whether the audit log is whole.
func (d *rig) verifiedAudit(anchor string) (r api.AuditReport) {
	d.t.Helper()
	body, err := json.Marshal(api.AuditWanted{Verify: true, Anchor: anchor})
	must(d.t, err)
	p, ok := d.ask(":", wire.Private{Verb: api.VerbAudit, Body: body}).(wire.ReplyPrivate)
	if !ok {
		d.t.Fatal("the answer is of the wrong kind")
	}
	must(d.t, json.Unmarshal(p.Body, &r))
	return r
}

func TestAuditIsTold(t *testing.T) {
	d := startFar(t)
	if got := d.audited(":", api.AuditWanted{}); got != nil {
		t.Errorf("the empty log has %q", got)
	}
	alice := delegate(t, d.ca, "alice", share(2))
	d.command(alice, "x", wire.UnikernelInfo{})
	d.command(d.ca, "y", wire.UnikernelDestroy{}) // there is none
	d.present([][]byte{[]byte("x")}).receive()
	lines := d.audited(":", api.AuditWanted{})
	file, err := os.ReadFile(filepath.Join(d.cfg.DB.Audit(), "00000000000000000001.jsonl"))
	must(t, err)
	if string(file) != strings.Join(lines, "\n")+"\n" || len(lines) != 4 {
		t.Errorf("told %q, and the log has %q", lines, file)
	}
	for what, tt := range map[string]struct {
		of   string
		w    api.AuditWanted
		want []string
	}{
		"a path":      {"alice:", api.AuditWanted{}, lines[:1]},
		"the last":    {":", api.AuditWanted{Count: 1}, lines[3:]},
		"a subject":   {":", api.AuditWanted{Subject: "alice", Count: 9}, lines[:1]},
		"since early": {":", api.AuditWanted{Since: new(time.Time)}, lines},
	} {
		if diff := cmp.Diff(tt.want, d.audited(tt.of, tt.w)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}

	r := d.verifiedAudit("")
	if r.Last != 4 || len(r.Faults) > 0 || len(d.verifiedAudit(r.Anchor().String()).Faults) > 0 {
		t.Errorf("%+v", r)
	}
	if r := d.verifiedAudit("5" + r.Anchor().String()[1:]); len(r.Faults) != 1 {
		t.Errorf("with an anchor of later: %+v", r)
	}
	wantFailure(t, d.ask(":", wire.Private{Verb: api.VerbAudit, Body: []byte(`{"verify":true,"anchor":"x"}`)}), `audit: "x" is no anchor`)
	wantFailure(t, d.ask(":", wire.Private{Verb: api.VerbAudit, Body: []byte(`{"count":-1}`)}), "less than none")
	wantFailure(t, d.ask(":", wire.Private{Verb: api.VerbAudit, Body: []byte(`{"count":"`)}), "audit: ")

	must(t, os.WriteFile(filepath.Join(d.cfg.DB.Audit(), "00000000000000000001.jsonl"), bytes.Replace(file, []byte("alice"), []byte("alyce"), 1), 0o600))
	if r := d.verifiedAudit(""); len(r.Faults) != 1 || r.Faults[0].Sequence != 1 {
		t.Errorf("%+v", r)
	}
}

func TestNoAudit(t *testing.T) {
	d := start(t)
	for _, body := range []string{"", "{}", `{"verify":true}`} {
		wantFailure(t, d.ask(":", wire.Private{Verb: api.VerbAudit, Body: []byte(body)}), "there is no audit log: albatrossd has no --remote-ca")
	}
	if _, err := os.Stat(d.cfg.DB.Audit()); err == nil {
		t.Error("there is one after all")
	}
}
