package clienttest

import (
	"encoding/json"
	"io"
	"net"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Version is what the fakes say that they are.
const Version = "0.0.0-fake"

// Peer is one connection, from the daemon's side, while its command is served.
type Peer struct {
	Net   net.Conn
	Hello *api.Hello // nil: the client said none
	Image []byte     // what came in the place of an image
	r     *wire.Reader
	w     *wire.Writer
	name  vm.Name

	signed *pki.Content // what has to follow; nil: anything may
}

// Behaviour is how a daemon serves a command. What it returns is the answer,
// unless it is nil; the connection is closed then.
type Behaviour interface {
	Answer(p *Peer, m wire.Message) wire.Payload
}

// Daemon says how Serve acts.
type Daemon struct {
	Name  string
	Verbs []string
	Old   bool // as Albatross 2.7: knows no hello, closes on what it does not know
	Behaviour
}

// Serve speaks with one client as a daemon does: hello, one command, its answer.
func (d Daemon) Serve(nc net.Conn) {
	p := &Peer{Net: nc, r: wire.NewReader(nc), w: wire.NewWriter(nc)}
	p.r.Sink = func(_ wire.Header, _ wire.Octets, content io.Reader) (err error) {
		p.Image, err = io.ReadAll(content)
		return err
	}
	for {
		m, err := p.r.Next()
		if err != nil {
			return
		}
		p.name = m.Name
		private, ok := m.Payload.(wire.Private)
		if ok && d.Old {
			return
		}
		if ok && private.Verb == api.VerbHello {
			if !p.greet(d, private.Body) {
				return
			}
			continue
		}
		if answer := d.Answer(p, m); answer != nil {
			p.Send(answer)
		}
		return
	}
}

func (p *Peer) greet(d Daemon, body []byte) bool {
	p.Hello = new(api.Hello)
	if json.Unmarshal(body, p.Hello) != nil {
		return false
	}
	return p.Send(JSON(api.Welcome{Daemon: d.Name, Version: Version, Verbs: append([]string{api.VerbHello}, d.Verbs...)}))
}

// Send sends one message under the name that the command had.
func (p *Peer) Send(payload wire.Payload) bool { return p.SendAs(p.name, payload) }

// SendAs sends one message under another name.
func (p *Peer) SendAs(n vm.Name, payload wire.Payload) bool {
	return p.w.WriteMessage(wire.Message{Header: wire.Header{Name: n}, Payload: payload}) == nil
}

// Stream sends a message with an image in the place of its octets.
func (p *Peer) Stream(payload wire.Payload, content io.Reader, size int64) bool {
	return p.w.WriteStreamed(wire.Message{Header: wire.Header{Name: p.name}, Payload: payload}, content, size) == nil
}

// Refuse is the answer that tells of e: a problem for a client that said hello.
func (p *Peer) Refuse(e *api.Error) wire.Payload {
	if p.Hello == nil {
		return wire.Failure{Text: e.Sentence}
	}
	problem := wire.Problem{Code: string(e.Code), Sentence: e.Sentence}
	if e.Hint != "" {
		problem.Hint = &e.Hint
	}
	return problem
}

// JSON is the answer to a private command.
func JSON(v any) wire.Payload {
	body, err := json.Marshal(v)
	if err != nil {
		return wire.Failure{Text: err.Error()}
	}
	return wire.ReplyPrivate{Body: body}
}
