package clienttest

import (
	"encoding/json"
	"fmt"
	"slices"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Audit is what a Host tells of what was asked for from afar.
type Audit struct {
	Records []api.AuditRecord
	Report  api.AuditReport // where no anchor is given, or that of Report
	None    bool            // there is no audit log
	Break   []byte          // what comes in the place of the second record; empty: that
}

// SetAudit sets what was asked for from afar.
func (h *Host) SetAudit(a Audit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.audit = a
}

// told answers the verb audit. The caller holds mu.
func (h *Host) told(p *Peer, n vm.Name, body []byte) wire.Payload {
	var w api.AuditWanted
	if err := json.Unmarshal(body, &w); err != nil {
		return p.Refuse(api.Errorf(api.Invalid, "audit: %w", err))
	}
	switch {
	case h.audit.None:
		return p.Refuse(api.Errorf(api.Unavailable, "there is no audit log"))
	case w.Verify:
		return JSON(h.verified(w.Anchor))
	}
	if !p.Send(JSON(struct{}{})) {
		return nil
	}
	for i, r := range h.recorded(n, w) {
		b, err := line(r)
		if err != nil || i == 1 && len(h.audit.Break) > 0 {
			b = h.audit.Break
		}
		if p.w.WriteChunk(b) != nil {
			return nil
		}
	}
	_ = p.w.WriteChunk(nil) // the client has gone if it fails
	return nil
}

// line is a record in printable ASCII.
func line(r api.AuditRecord) ([]byte, error) {
	b, err := json.Marshal(r)
	var plain []byte
	for _, c := range string(b) {
		if c <= '~' {
			plain = append(plain, byte(c))
		} else {
			plain = fmt.Appendf(plain, `\u%04x`, c)
		}
	}
	return plain, err
}

func (h *Host) recorded(n vm.Name, w api.AuditWanted) []api.AuditRecord {
	var some []api.AuditRecord
	for _, r := range h.audit.Records {
		name := vm.Name{}
		if r.Name != nil {
			name = *r.Name
		}
		by := w.Subject == "" || slices.ContainsFunc(r.Chain, func(l api.AuditLink) bool { return l.Subject == w.Subject })
		if by && n.Contains(name) && (w.Since == nil || !r.Time.Before(*w.Since)) {
			some = append(some, r)
		}
	}
	if w.Since == nil && w.Count > 0 && w.Count < len(some) {
		some = some[len(some)-w.Count:]
	}
	return some
}

// verified is the report, with a fault if there is another anchor.
func (h *Host) verified(anchor string) api.AuditReport {
	r := h.audit.Report
	if anchor != "" && anchor != r.Anchor().String() {
		r.Faults = append(slices.Clip(r.Faults), api.AuditFault{Sequence: 1, Kind: api.FaultAnchor, Text: "it is not the one of the anchor " + anchor})
	}
	return r
}
