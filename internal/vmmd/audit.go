package vmmd

import (
	"encoding/json"
	"time"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/wire"
)

// audit answers with what was asked for from afar, a line of the audit log in each
// raw frame, and the empty frame; or tells whether that log is whole.
func (x *exchange) audit(h wire.Header, body []byte) (wire.Payload, error) {
	var asked api.AuditWanted
	if err := json.Unmarshal(body, &asked); len(body) > 0 && err != nil {
		return nil, api.Errorf(api.Invalid, "audit: %w", err)
	}
	switch {
	case asked.Count < 0:
		return nil, api.Errorf(api.Invalid, "audit: a count of %d is less than none", asked.Count)
	case x.trail == nil:
		return nil, api.Errorf(api.Unavailable, "there is no audit log: albatrossd has no --remote-ca, so that nobody is served from afar").
			Hinted("albatross audit verify --dir DIR reads the one of an earlier albatrossd, below its --dbdir")
	case asked.Verify:
		return x.verifyAudit(asked.Anchor)
	}
	if err := x.conn.Reply(h, wire.ReplyPrivate{Body: []byte("{}")}); err != nil {
		return nil, &brokenError{err}
	}
	wanted := audit.Wanted{Name: h.Name, Subject: asked.Subject, Count: asked.Count}
	if asked.Since != nil {
		// The zero time says that none is wanted.
		wanted.Since = later(*asked.Since, time.Unix(0, 0))
	}
	err := x.trail.Read(x.ctx, wanted, func(_ api.AuditRecord, line []byte) error { return x.conn.Writer().WriteChunk(line) })
	if err == nil {
		err = x.conn.Writer().WriteChunk(nil)
	}
	if err != nil {
		return nil, &brokenError{err}
	}
	return nil, nil
}

// verifyAudit goes through the audit log, and compares it with an anchor, if there is
// one.
func (x *exchange) verifyAudit(anchor string) (wire.Payload, error) {
	var known *api.AuditAnchor
	if anchor != "" {
		a, err := api.ParseAuditAnchor(anchor)
		if err != nil {
			return nil, api.Errorf(api.Invalid, "audit: %w", err)
		}
		known = &a
	}
	report, err := x.trail.Verify(x.ctx, known)
	if err != nil {
		return nil, err
	}
	return encode(report)
}
