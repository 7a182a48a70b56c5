package vmmd

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"albatross/internal/api"
	"albatross/internal/host"
	"albatross/internal/image"
	"albatross/internal/lifecycle"
	"albatross/internal/server"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Verbs are the private commands that [Handler] answers.
var Verbs = []string{api.VerbState, api.VerbShutdown}

// Handler answers the commands of one daemon.
type Handler struct {
	Host *host.Host

	// MaxImage limits what arrives as an image, in bytes, before unpacking.
	MaxImage int64
}

// exchange is one command under way.
type exchange struct {
	ctx    context.Context
	host   *host.Host
	conn   *server.Conn
	staged *image.Staged // the image that came with the command
}

// Handle answers one command.
func (h *Handler) Handle(ctx context.Context, c *server.Conn) (err error) {
	x := &exchange{ctx: ctx, host: h.Host, conn: c}
	defer func() {
		if x.staged != nil {
			err = errors.Join(err, x.staged.Discard())
		}
	}()
	c.Reader().MaxImage = h.MaxImage
	c.Reader().Sink = x.sink
	m, err := c.Next()
	if refused, ok := errors.AsType[*wire.RefusedError](err); ok {
		return c.Fail(refused.Header, refused.Err)
	}
	if err != nil {
		return err
	}
	reply, err := x.obey(m)
	switch {
	case err != nil:
		return c.Fail(m.Header, err)
	case reply == nil: // answered already
		return nil
	}
	return c.Reply(m.Header, reply)
}

// sink takes the image of a create while it arrives.
func (x *exchange) sink(_ wire.Header, o wire.Octets, content io.Reader) (err error) {
	if o.Kind != wire.CreateImage {
		return notHere("block devices with data inside the command")
	}
	if o.Type != vm.Solo5 {
		return nil // the host refuses it once all of the command is known
	}
	x.staged, err = x.host.Stage(x.ctx, content, o.Size, o.Compressed)
	return err
}

// obey carries out a command and returns what to answer.
func (x *exchange) obey(m wire.Message) (wire.Payload, error) {
	switch p := m.Payload.(type) {
	case wire.UnikernelCreate:
		return created(x.host.Create(x.ctx, m.Name, p.Config, x.staged, p.Force))
	case wire.UnikernelDestroy:
		return x.destroy(m.Name)
	case wire.UnikernelRestart:
		return created(x.host.Restart(x.ctx, m.Name, p.Arguments))
	case wire.UnikernelInfo:
		return x.info(m.Name, p.Form), nil
	case wire.UnikernelGet:
		return x.get(m, p.Level)
	case wire.Private:
		return x.private(m.Name, p)
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
func (x *exchange) private(n vm.Name, p wire.Private) (wire.Payload, error) {
	switch p.Verb {
	case api.VerbState:
		return encode(x.host.State(n))
	case api.VerbShutdown:
		stopped, err := x.host.Shutdown(x.ctx)
		if err != nil {
			return nil, err
		}
		return encode(api.Shutdown{Stopped: stopped})
	}
	return nil, notHere("the verb " + p.Verb)
}

func encode(v any) (wire.Payload, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return wire.ReplyPrivate{Body: b}, nil
}
