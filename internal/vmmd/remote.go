package vmmd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/behalf"
	"albatross/internal/host"
	"albatross/internal/pki"
	"albatross/internal/request"
	"albatross/internal/revoked"
	"albatross/internal/server"
	"albatross/internal/wire"
)

// RemoteVerbs are the private commands that [RemoteHandler] answers.
var RemoteVerbs = []string{behalf.Verb, behalf.VerbCounts}

// RemoteHandler does what clients far away have signed certificates for. The
// endpoint that hands them over is not believed anything: the chain is verified
// here, the command is the one in its leaf, about the name that the chain gives.
//
//	chain ──verify──▶ policies of the delegations ──▶ command ──▶ audit log ──▶ answer
//
// Commands for the other daemons' sockets are passed on to them, so that one
// program alone verifies, and one log has all that was done from afar.
type RemoteHandler struct {
	Host    *host.Host
	Root    *x509.Certificate
	Revoked *revoked.Lists
	Audit   *audit.Log

	Console, Stats string // sockets of the other daemons
	MaxImage       int64  // bytes of an image as it arrives, before unpacking

	// Unsigned allows images and content of block devices that no certificate
	// names: whoever has taken over the endpoint can then put something else in the
	// place of what streams.
	Unsigned bool

	// News is called when a revocation list has brought some.
	News func()
	// Endpoint gets what albatross-tls counts; nil: nobody does.
	Endpoint *turnedAway

	large    slots
	refusals refusals
	paces    paces
	visits   visits
	streams  streams
	used     used
}

// visit is the command of one client.
type visit struct {
	*exchange
	h         *RemoteHandler
	authority *pki.Authority
	excess    bool   // refused for what came before it, which may happen very often
	refused   origin // of excess, or without an authority: to whom that is counted
	record    api.AuditRecord
	release   func() // gives back what the memory of the chain was counted against

	arrival *host.Arrival // of what comes with the command; nil: nothing, or not yet
	leave   func()        // gives back the stream that it comes by; nil: likewise
}

// Handle takes over one client and obeys its command.
func (h *RemoteHandler) Handle(ctx context.Context, c *server.Conn) (err error) {
	client, release, err := h.receive(ctx, c)
	if err != nil {
		return err
	}
	defer release()
	c.Name(request.OfLeaf(client.Chain[0]), "peer", client.Peer)
	ctx = request.With(ctx, c.Request())
	v := &visit{
		exchange: &exchange{ctx: ctx, host: h.Host, conn: c}, h: h, release: release,
		record: api.AuditRecord{Peer: client.Peer, Chain: audit.Links(client.Chain), Request: c.Request()},
	}
	defer func() { err = errors.Join(err, v.close()) }()
	v.authority, err = pki.Verify(client.Chain, h.Root, time.Now(), h.Revoked.Set())
	if err != nil {
		v.refused = originOf(client.Chain, h.Root)
		return v.answer(nil, api.Errorf(api.Denied, "%w", err))
	}
	a := v.authority
	if client.Chain = nil; !carries(a.Command) {
		release() // nothing large is left, and it may last
	}
	v.chain, v.record.Name, v.record.Command = a.Chain, &a.Name, audit.Word(a.Command)
	var leave func()
	v.ctx, leave = h.visits.enter(ctx, a)
	defer leave()
	if _, gone := h.Revoked.Set().Revoked(a.Chain); gone { // before it had entered
		return v.answer(nil, api.Errorf(api.Denied, "%w", errRevoked))
	}
	if err := h.admit(v.ctx, a); err != nil {
		if ctx.Err() != nil {
			return err // the daemon ends, or the client has gone
		}
		v.excess, v.refused = true, originOfAuthority(a)
		return v.answer(nil, endedEarly(v.ctx, err))
	}
	// What is not in the log is not done: whoever fills the disk hides nothing.
	if err := v.log(firstOutcome(a.Command), ""); err != nil {
		return v.conn.Fail(v.header(), err)
	}
	reply, err := v.serve()
	if broken, ok := errors.AsType[*brokenError](err); ok {
		return broken.err
	}
	err = endedEarly(v.ctx, err)
	if _, gone := h.Revoked.Set().Revoked(a.Chain); gone && err == nil && h.News != nil {
		h.News() // it came too late to be seen when revoked certificates were looked for
	}
	return v.answer(reply, err)
}

// admit waits until a command may be obeyed by its pace, and refuses what was before.
func (h *RemoteHandler) admit(ctx context.Context, a *pki.Authority) error {
	if err := h.paces.wait(ctx, a); err != nil {
		return err
	}
	return h.used.use(a, time.Now())
}

// carries reports whether a command has large content inside the leaf.
func carries(c wire.Command) bool {
	switch c := c.(type) {
	case wire.UnikernelCreate:
		return len(c.Image) > 0
	case wire.BlockAddOld:
		return len(c.Data) > 0
	case wire.BlockSetOld:
		return true
	}
	return false
}

// firstOutcome is what is written to the audit log before a command is obeyed:
// all there is to say of one that only asks.
func firstOutcome(c wire.Command) string {
	switch c.(type) {
	case wire.UnikernelInfo, wire.PolicyInfo, wire.BlockInfo:
		return api.AuditDone
	}
	return api.AuditBegun
}

// receive reads who the client is. What was read takes memory until release.
func (h *RemoteHandler) receive(ctx context.Context, c *server.Conn) (_ *behalf.Client, release func(), err error) {
	m, err := c.Next()
	if err != nil {
		return nil, nil, err
	}
	p, ok := m.Payload.(wire.Private)
	if !ok {
		return nil, nil, fmt.Errorf("%w: commands without a certificate belong on vmmd.sock", server.ErrUnexpected)
	}
	if p.Verb == behalf.VerbCounts && h.Endpoint != nil {
		return nil, nil, h.Endpoint.obey(c, m.Header, p.Body)
	}
	client, err := behalf.Announced(p)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", server.ErrUnexpected, err)
	}
	release = func() {}
	if client.Bytes() > behalf.Usual {
		if release, err = h.takeLarge(ctx); err != nil {
			return nil, nil, errors.Join(c.Fail(wire.Header{}, err), err)
		}
	}
	if err := client.Receive(c.Reader()); err != nil {
		release()
		return nil, nil, err
	}
	return client, release, nil
}

// takeLarge waits for room for a chain with an image in it.
func (h *RemoteHandler) takeLarge(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, largeTime)
	defer cancel()
	if release, err = h.large.take(ctx); err != nil {
		return nil, api.Errorf(api.Unavailable, "too many images come inside of certificates at the moment: try again")
	}
	return release, nil
}

// answersItself reports whether what obeys a command writes the answer too.
func answersItself(c wire.Command) bool {
	switch c.(type) {
	case wire.UnikernelGet, wire.BlockDump, wire.ConsoleSubscribe, wire.ConsoleListInactive, wire.StatsSubscribe:
		return true
	}
	return false
}

func (v *visit) header() wire.Header {
	if v.authority == nil {
		return wire.Header{}
	}
	return wire.Header{Name: v.authority.Name}
}

// serve applies the policies of the chain, takes what comes with the command, and then
// obeys it.
func (v *visit) serve() (wire.Payload, error) {
	release, err := v.host.Delegate(v.ctx, v.authority.Policies)
	if err != nil {
		return nil, err
	}
	defer release()
	m := wire.Message{Header: v.header(), Payload: v.authority.Command}
	switch c := v.authority.Command.(type) {
	case wire.ConsoleSubscribe, wire.ConsoleListInactive:
		return nil, v.relay(m, v.h.Console)
	case wire.StatsSubscribe:
		return nil, v.relay(m, v.h.Stats)
	case wire.Private:
		return v.revoke(c)
	}
	if m.Payload, err = v.load(v.authority.Command); err != nil {
		return nil, err
	}
	if _, gone := v.h.Revoked.Set().Revoked(v.chain); gone {
		return nil, api.Errorf(api.Denied, "%w", errRevoked)
	}
	return v.obey(m)
}

// listTime is how long another daemon may take for an answer that has an end.
const listTime = 30 * time.Second

// relay has another daemon of this host answer, until that or the client ends it. Who
// asks for a list may have ended its own direction by then, and wants it still.
func (v *visit) relay(m wire.Message, socket string) error {
	var d net.Dialer
	conn, err := d.DialContext(v.ctx, "unix", socket)
	if err != nil {
		return &api.Error{Code: api.Unavailable, Sentence: "the daemon of the host that has this does not run", Err: err}
	}
	watched, stop := v.whileAsked(m)
	defer stop()
	defer context.AfterFunc(watched, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }() // whatever was to be read was
	err = passOn(conn, m, v.conn.Request())
	if err == nil {
		_, err = io.Copy(v.conn, conn)
	}
	if cause := context.Cause(watched); cause != nil {
		err = cause
	}
	return &brokenError{err}
}

// whileAsked returns a context that lasts while the client waits for the answer.
func (v *visit) whileAsked(m wire.Message) (ctx context.Context, stop func()) {
	if _, list := m.Payload.(wire.ConsoleListInactive); list {
		return context.WithTimeout(v.ctx, listTime)
	}
	return v.conn.Watch(v.ctx)
}

// revoke takes a revocation list. Whoever delivers it, it says itself who made it.
func (v *visit) revoke(p wire.Private) (wire.Payload, error) {
	if p.Verb != pki.VerbCRL {
		return nil, notHere("the verb " + p.Verb)
	}
	if err := takeList(v.h.Revoked, v.h.Root, p.Body, v.h.News); err != nil {
		return nil, err
	}
	return wire.ReplyText{Text: "took the revocation list"}, nil
}

// takeList adds the revocation list in a file.
func takeList(lists *revoked.Lists, root *x509.Certificate, file []byte, news func()) error {
	crl, err := pki.ParseCRLFile(file, root)
	if err != nil {
		return api.Errorf(api.Invalid, "%w", err)
	}
	changed, err := lists.Add(crl)
	switch {
	case errors.Is(err, pki.ErrCRLOld):
		return api.Errorf(api.Exists, "%w", err).Hinted("make the next one with albatross ca revoke")
	case errors.Is(err, revoked.ErrFull):
		return api.Errorf(api.Resource, "%w", err)
	case errors.Is(err, pki.ErrCRL), errors.Is(err, pki.ErrRevoked):
		return api.Errorf(api.Invalid, "%w", err)
	case err != nil:
		return err
	}
	if changed && news != nil {
		news()
	}
	return nil
}

// answer writes what came of the command to the audit log, unless that has all of
// it, and then tells the client.
func (v *visit) answer(reply wire.Payload, err error) error {
	if err != nil {
		e := api.AsError(err)
		outcome := api.AuditRefused
		if e.Code == api.Internal {
			outcome = api.AuditFailed
		}
		if logErr := v.log(outcome, e.Sentence); logErr != nil {
			e = api.AsError(logErr)
		}
		return v.conn.Fail(v.header(), saidWhole(e))
	}
	if c := v.authority.Command; firstOutcome(c) != api.AuditDone && !answersItself(c) {
		if err := v.log(api.AuditDone, ""); err != nil {
			return v.conn.Fail(v.header(), err)
		}
	}
	if reply == nil {
		return nil
	}
	return v.conn.Reply(v.header(), reply)
}

// saidWhole puts the hint into the sentence, which is all that goes far.
func saidWhole(e *api.Error) *api.Error {
	if e.Hint == "" {
		return e
	}
	return &api.Error{Code: e.Code, Sentence: e.Sentence + " (" + e.Hint + ")", Err: e}
}

// log writes to the audit log. Nobody is told that something was done, or begun,
// that is not in there.
func (v *visit) log(outcome, text string) error {
	r := v.record
	if v.authority == nil || v.excess {
		note, ok := v.h.refusals.may(v.refused, time.Now())
		if !ok {
			return nil
		}
		text += note
	}
	r.Outcome, r.Text = outcome, text
	if err := v.h.Audit.Append(r); err != nil {
		return &api.Error{Code: api.Unavailable, Sentence: "the audit log of the host cannot be written, and without it nothing is done", Err: err}
	}
	return nil
}

// Chains with an image in them: how many are in memory at a time, and how long one
// waits for that.
const (
	mostLarge = 4
	largeTime = 30 * time.Second
)
