package vmmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/block"
	"albatross/internal/host"
	"albatross/internal/image"
	"albatross/internal/lifecycle"
	"albatross/internal/pki"
	"albatross/internal/request"
	"albatross/internal/server"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Verbs are the private commands that [Handler] answers.
var Verbs = []string{api.VerbState, api.VerbShutdown, api.VerbExport, api.VerbCheck, api.VerbEvents, api.VerbAudit, api.VerbPin, pki.VerbCRL, api.VerbHandover}

// Handler answers the commands of one daemon.
type Handler struct {
	Host *host.Host

	// MaxImage limits what arrives as an image, in bytes, before unpacking.
	MaxImage int64

	// Audit is the log of what was done from afar; nil: nobody is served from there.
	Audit *audit.Log

	far *afar // nil: nobody is served from afar
}

// exchange is one command under way.
type exchange struct {
	ctx     context.Context
	host    *host.Host
	conn    *server.Conn
	staged  *image.Staged // the image that came with the command
	far     *afar         // nil: nobody is served from afar
	trail   *audit.Log    // likewise
	data    *os.File      // the block data that came with it, in a file without a name
	content *block.Staged // the content for a block device that came with it
	chain   []pki.Link    // of the certificates that the command came with; none: somebody on this host
	more    bool          // another command may follow
}

// close drops what came with the command and was not used.
func (x *exchange) close() error {
	var errs []error
	if x.staged != nil {
		errs = append(errs, x.staged.Discard())
	}
	if x.data != nil {
		errs = append(errs, x.data.Close())
	}
	if x.content != nil {
		errs = append(errs, x.content.Discard())
	}
	return errors.Join(errs...)
}

// Handle answers one command, and as many policies as the client sends before.
func (h *Handler) Handle(ctx context.Context, c *server.Conn) error {
	for {
		x := &exchange{ctx: ctx, host: h.Host, conn: c, far: h.far, trail: h.Audit}
		err := x.handle(h.MaxImage)
		if err = errors.Join(err, x.close()); err != nil || !x.more {
			return err
		}
	}
}

func (x *exchange) handle(maxImage int64) error {
	c := x.conn
	c.Reader().MaxImage = maxImage
	c.Reader().Sink = x.sink
	m, err := c.Next()
	x.ctx = request.With(x.ctx, c.Request())
	if refused, ok := errors.AsType[*wire.RefusedError](err); ok {
		return c.Fail(refused.Header, refused.Err)
	}
	if err != nil {
		return err
	}
	defer x.answered(m, time.Now())
	reply, err := x.obey(m)
	if broken, ok := errors.AsType[*brokenError](err); ok {
		return broken.err
	}
	if err != nil {
		return c.Fail(m.Header, x.forClient(m.Payload, err))
	}
	if reply == nil { // answered already
		return nil
	}
	return c.Reply(m.Header, reply)
}

// answered tells the log how long a command took, from when all of it had come
// until its answer was handed to the kernel.
func (x *exchange) answered(m wire.Message, came time.Time) {
	command := strings.TrimPrefix(fmt.Sprintf("%T", m.Payload), "wire.")
	x.conn.Log().Debug("answered", "command", command, "name", m.Name, "took", time.Since(came))
}

// forClient returns err as this client should hear of it.
func (x *exchange) forClient(p wire.Payload, err error) error {
	if errors.Is(err, context.Canceled) && x.ctx.Err() != nil {
		return api.Errorf(api.Unavailable, "the daemon is stopping: %w", err).Hinted("ask again when it is back")
	}
	e := api.AsError(err)
	if s := sentence(p, e.Code); s != "" && !x.conn.Greeted() {
		return &api.Error{Code: e.Code, Sentence: s, Err: err}
	}
	return err
}

// sink takes the large content of a command while it arrives.
func (x *exchange) sink(h wire.Header, o wire.Octets, content io.Reader) (err error) {
	if o.Kind == wire.BlockImage {
		return x.holdData(content)
	}
	if o.Type != vm.Solo5 {
		return nil // the host refuses it once all of the command is known
	}
	x.staged, err = x.host.Stage(x.ctx, content, o.Size, o.Compressed)
	x.host.Refused(request.With(x.ctx, x.conn.Request()), "create", h.Name, err)
	return err
}

// obey carries out a command and returns what to answer.
func (x *exchange) obey(m wire.Message) (wire.Payload, error) {
	switch p := m.Payload.(type) {
	case wire.UnikernelCreate:
		return created(x.host.Create(x.ctx, m.Name, p.Config, x.staged, host.Order{Force: p.Force, Chain: x.chain}))
	case wire.UnikernelDestroy:
		return x.destroy(m.Name)
	case wire.UnikernelRestart:
		return created(x.host.Restart(x.ctx, m.Name, p.Arguments))
	case wire.UnikernelInfo:
		return x.info(m.Name, p.Form), nil
	case wire.UnikernelGet:
		return x.get(m, p.Level)
	case wire.PolicyInfo:
		return x.policies(m.Name)
	case wire.PolicyAdd:
		return x.addPolicy(m.Name, p.Policy)
	case wire.PolicyRemove:
		return x.removePolicy(m.Name)
	case wire.StatsInitial:
		return x.stats(m)
	case wire.Private:
		return x.private(m, p)
	}
	return x.obeyBlock(m)
}

// obeyBlock carries out a command about block devices.
func (x *exchange) obeyBlock(m wire.Message) (wire.Payload, error) {
	switch p := m.Payload.(type) {
	case wire.BlockInfo:
		return x.blocks(m.Name)
	case wire.BlockAdd:
		return x.addBlock(m.Name, p.Size)
	case wire.BlockAddOld:
		return x.addBlockOld(m.Name, p)
	case wire.BlockRemove:
		return x.removeBlock(m.Name)
	case wire.BlockSet:
		return x.setBlock(m.Name, p.Compressed)
	case wire.BlockSetOld:
		return x.setBlockOld(m.Name, p.Compressed)
	case wire.BlockDump:
		return x.dumpBlock(m, p)
	case wire.Command:
		return nil, notHere("this command")
	}
	return nil, api.Errorf(api.Invalid, "this is an answer, not a command")
}

func notHere(what string) error {
	return api.Errorf(api.Unavailable, "unknown command: this daemon does not know %s", what)
}

// created is Albatross's answer to create, force-create and restart.
func created(err error) (wire.Payload, error) {
	if err != nil {
		return nil, err
	}
	return wire.ReplyText{Text: "created unikernel"}, nil
}

func (x *exchange) destroy(n vm.Name) (wire.Payload, error) {
	was, err := x.host.Destroy(x.ctx, n)
	if err != nil {
		return nil, err
	}
	if was == lifecycle.Waiting {
		return wire.ReplyText{Text: "destroyed: removed from restarting"}, nil
	}
	return wire.ReplyText{Text: "destroyed unikernel"}, nil
}

// info answers with all unikernels in a path, or with one.
func (x *exchange) info(n vm.Name, form wire.InfoForm) wire.Payload {
	reply := wire.ReplyInfo{Form: form}
	for _, u := range x.host.State(n).Unikernels {
		name := u.Name
		if n.IsPath() {
			name, _ = name.RelativeTo(n.Path())
		}
		reply.Unikernels = append(reply.Unikernels, wire.Named[vm.Info]{Name: name, Value: u.Info})
	}
	return reply
}

// private answers this project's own commands.
func (x *exchange) private(m wire.Message, p wire.Private) (wire.Payload, error) {
	switch p.Verb {
	case api.VerbState:
		return encode(x.host.State(m.Name))
	case api.VerbCheck:
		found, err := x.host.Check(x.ctx)
		if err != nil {
			return nil, err
		}
		return encode(found)
	case api.VerbPin:
		return x.pin(m.Name, p.Body)
	case pki.VerbCRL:
		return x.takeList(p.Body)
	case api.VerbExport:
		return nil, x.export(m.Header)
	case api.VerbEvents:
		return nil, x.events(m.Header, p.Body)
	case api.VerbAudit:
		return x.audit(m.Header, p.Body)
	case api.VerbHandover:
		return x.handover(m.Header, p.Body)
	case api.VerbShutdown:
		stopped, err := x.host.Shutdown(x.ctx)
		if err != nil {
			return nil, err
		}
		return encode(api.Shutdown{Stopped: stopped})
	}
	return nil, notHere("the verb " + p.Verb)
}

// export streams a state file. A client that sees no empty frame at the end knows
// that it is not whole.
func (x *exchange) export(h wire.Header) error {
	if err := x.conn.Reply(h, wire.ReplyPrivate{Body: []byte("{}")}); err != nil {
		return &brokenError{err}
	}
	chunks := x.conn.Writer().Chunks()
	out := bufio.NewWriterSize(chunks, 32<<10)
	if err := x.host.Export(out); err != nil {
		return &brokenError{err}
	}
	if err := errors.Join(out.Flush(), chunks.Close()); err != nil {
		return &brokenError{err}
	}
	return nil
}

func encode(v any) (wire.Payload, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return wire.ReplyPrivate{Body: b}, nil
}
