package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Audit calls each with what was asked for from afar about a unikernel or block
// device, or at and below a path, the oldest first, and with the line of the audit
// log that it is: printable ASCII, which is valid during the call. It ends with the
// error of each.
func (c Client) Audit(ctx context.Context, n vm.Name, w api.AuditWanted, each func(r api.AuditRecord, line []byte) error) error {
	w.Verify = false
	x, _, err := c.askAudit(ctx, n, w)
	if err != nil {
		return err
	}
	defer x.close()
	for {
		line, err := x.reader.Chunk()
		switch {
		case err != nil:
			return x.lost(err)
		case len(line) == 0:
			return nil
		}
		var r api.AuditRecord
		err = json.Unmarshal(line, &r)
		if err == nil && bytes.ContainsFunc(line, func(c rune) bool { return c < ' ' || c > '~' }) {
			err = fmt.Errorf("there is more in it than printable ASCII")
		}
		if err != nil {
			return x.broken(fmt.Errorf("%w: a record: %w", wire.ErrMalformed, err))
		}
		if err := each(r, line); err != nil {
			return err
		}
	}
}

// VerifyAudit has the daemon tell whether its audit log is whole, and has what an
// anchor says; nil: none is known.
func (c Client) VerifyAudit(ctx context.Context, known *api.AuditAnchor) (api.AuditReport, error) {
	w := api.AuditWanted{Verify: true}
	if known != nil {
		w.Anchor = known.String()
	}
	x, body, err := c.askAudit(ctx, vm.Name{}, w)
	if err != nil {
		return api.AuditReport{}, err
	}
	defer x.close()
	var report api.AuditReport
	if err := json.Unmarshal(body, &report); err != nil {
		return api.AuditReport{}, x.broken(fmt.Errorf("%w: the answer to %s: %w", wire.ErrMalformed, api.VerbAudit, err))
	}
	return report, nil
}

// askAudit asks and returns the body of the answer.
func (c Client) askAudit(ctx context.Context, n vm.Name, w api.AuditWanted) (_ *session, body []byte, err error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			x.close()
		}
	}()
	if !x.knows(api.VerbAudit) {
		return nil, nil, x.lacks("tell what was asked for from afar")
	}
	asked, err := json.Marshal(w)
	if err != nil {
		return nil, nil, err
	}
	s, err := x.ask(n, wire.Private{Verb: api.VerbAudit, Body: asked})
	if err != nil {
		return nil, nil, err
	}
	p, ok := s.(wire.ReplyPrivate)
	if !ok {
		return nil, nil, unexpected(x.service, s)
	}
	return x, p.Body, nil
}
