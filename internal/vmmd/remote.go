package vmmd

import (
	"bytes"
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
	"albatross/internal/revoked"
	"albatross/internal/server"
	"albatross/internal/wire"
)

// RemoteVerbs are the private commands that [RemoteHandler] answers.
var RemoteVerbs = []string{behalf.Verb}

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

	// Unsigned allows images that no certificate names: whoever has taken over
	// the endpoint can then put another image in the place of one that streams.
	Unsigned bool

	// News is called when a revocation list has brought some.
	News func()

	large     slots
	strangers strangers
}

// visit is the command of one client.
type visit struct {
	*exchange
	h         *RemoteHandler
	authority *pki.Authority
	record    api.AuditRecord
}

// Handle takes over one client and obeys its command.
func (h *RemoteHandler) Handle(ctx context.Context, c *server.Conn) (err error) {
	client, release, err := h.receive(ctx, c)
	if err != nil {
		return err
	}
	defer release()
	v := &visit{
		exchange: &exchange{ctx: ctx, host: h.Host, conn: c}, h: h,
		record: api.AuditRecord{Peer: client.Peer, Chain: audit.Links(client.Chain), Request: c.Request()},
	}
	defer func() { err = errors.Join(err, v.close()) }()
	v.authority, err = pki.Verify(client.Chain, h.Root, time.Now(), h.Revoked.Set())
	if err != nil {
		return v.answer(nil, api.Errorf(api.Denied, "%w", err))
	}
	a := v.authority
	if client.Chain = nil; answersItself(a.Command) {
		release() // nothing large is left, and it may last
	}
	v.chain, v.record.Name, v.record.Command = a.Chain, &a.Name, audit.Word(a.Command)
	if answersItself(a.Command) {
		if err := v.log(api.AuditBegun, ""); err != nil {
			return v.conn.Fail(v.header(), err)
		}
	}
	reply, err := v.serve()
	if broken, ok := errors.AsType[*brokenError](err); ok {
		return broken.err
	}
	return v.answer(reply, err)
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
	client, err := behalf.Announced(p)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", server.ErrUnexpected, err)
	}
	release = func() {}
	if client.Bytes() > behalf.Usual {
		if release, err = h.large.take(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := client.Receive(c.Reader()); err != nil {
		release()
		return nil, nil, err
	}
	return client, release, nil
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

// serve applies the policies of the chain, and then obeys the command.
func (v *visit) serve() (wire.Payload, error) {
	for _, p := range v.authority.Policies {
		if _, err := v.host.SetPolicy(v.ctx, p.Path, p.Policy, host.Afar); err != nil {
			return nil, err
		}
	}
	m := wire.Message{Header: v.header(), Payload: v.authority.Command}
	switch c := v.authority.Command.(type) {
	case wire.ConsoleSubscribe, wire.ConsoleListInactive:
		return nil, v.relay(m, v.h.Console)
	case wire.StatsSubscribe:
		return nil, v.relay(m, v.h.Stats)
	case wire.Private:
		return v.revoke(c)
	case wire.UnikernelCreate:
		if err := v.takeImage(c); err != nil {
			return nil, err
		}
		c.Image = nil
		m.Payload = c
	case wire.BlockAddOld:
		if len(c.Data) > 0 {
			if err := v.holdData(bytes.NewReader(c.Data)); err != nil {
				return nil, err
			}
		}
	case wire.BlockSetOld:
		if err := v.holdData(bytes.NewReader(c.Data)); err != nil {
			return nil, err
		}
	}
	return v.obey(m)
}

// takeImage stages the image of a create: the one in the leaf, or the one that
// follows as raw frames, which the leaf then names.
func (v *visit) takeImage(c wire.UnikernelCreate) (err error) {
	a := v.authority
	if !a.Streams() {
		v.staged, err = v.host.Stage(v.ctx, bytes.NewReader(c.Image), int64(len(c.Image)), c.Config.Compressed)
		v.noteImage()
		return err
	}
	if a.ImageDigest == nil && !v.h.Unsigned {
		return api.Errorf(api.Denied, "the certificate does not say which image it is for").
			Hinted("use albatross --remote, or have albatrossd started with --remote-unsigned-images")
	}
	content := io.LimitReader(v.conn.Reader().Chunks(), v.h.MaxImage+1)
	if v.staged, err = v.host.Stage(v.ctx, content, 0, c.Config.Compressed); err != nil {
		return err
	}
	v.noteImage()
	if want := a.ImageDigest; want != nil && v.staged.Digest() != [32]byte(*want) {
		return api.Errorf(api.Denied, "the image that came is not the one that the certificate is for: it has the SHA-256 %v, not %v", v.staged.Digest(), want)
	}
	return nil
}

func (v *visit) noteImage() {
	if v.staged != nil {
		v.record.Image = v.staged.Digest().String()
	}
}

// relay has another daemon of this host answer, until that or the client ends it.
func (v *visit) relay(m wire.Message, socket string) error {
	var d net.Dialer
	conn, err := d.DialContext(v.ctx, "unix", socket)
	if err != nil {
		return api.Errorf(api.Unavailable, "the daemon that has this does not run: %w", err)
	}
	watched, stop := v.conn.Watch(v.ctx)
	defer stop()
	defer context.AfterFunc(watched, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }() // whatever was to be read was
	err = wire.NewWriter(conn).WriteMessage(m)
	if err == nil {
		_, err = io.Copy(v.conn, conn)
	}
	if cause := context.Cause(watched); cause != nil {
		err = cause
	}
	return &brokenError{err}
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
	case err != nil:
		return err
	}
	if changed && news != nil {
		news()
	}
	return nil
}

// answer writes what came of the command to the audit log, and then tells the
// client. A command that answered itself and succeeded needs neither.
func (v *visit) answer(reply wire.Payload, err error) error {
	if err != nil {
		outcome := api.AuditRefused
		if api.AsError(err).Code == api.Internal {
			outcome = api.AuditFailed
		}
		if logErr := v.log(outcome, api.AsError(err).Sentence); logErr != nil {
			err = logErr
		}
		return v.conn.Fail(v.header(), err)
	}
	if v.authority != nil && answersItself(v.authority.Command) {
		if reply == nil {
			return nil
		}
		return v.conn.Reply(v.header(), reply)
	}
	if err := v.log(api.AuditDone, ""); err != nil {
		return v.conn.Fail(v.header(), err)
	}
	return v.conn.Reply(v.header(), reply)
}

// log writes to the audit log. Nobody is told that something was done, or begun,
// that is not in there.
func (v *visit) log(outcome, text string) error {
	r := v.record
	if v.authority == nil {
		note, ok := v.h.strangers.may(time.Now())
		if !ok {
			return nil
		}
		text += note
	}
	r.Outcome, r.Text = outcome, text
	if err := v.h.Audit.Append(r); err != nil {
		return api.Errorf(api.Unavailable, "the audit log cannot be written: %w", err).
			Hinted("free some space on the file system of albatrossd's --dbdir")
	}
	return nil
}

// mostLarge is how many chains with an image in them are in memory at a time.
const mostLarge = 4
