package vmmd

import (
	"encoding/json"
	"fmt"
	"io"

	"albatross/internal/api"
	"albatross/internal/version"
	"albatross/internal/wire"
)

// passOn sends a command to another daemon of this host, and tells it how the request
// is called, so that its log does too. What is read next is the daemon's answer, as
// Albatross gives it.
func passOn(to io.ReadWriter, m wire.Message, request string) error {
	hello, err := json.Marshal(api.Hello{Client: "albatrossd", Version: version.Version, Request: request, Plain: true})
	if err != nil {
		return err
	}
	w := wire.NewWriter(to)
	if err := w.WriteMessage(wire.Message{Payload: wire.Private{Verb: api.VerbHello, Body: hello}}); err != nil {
		return err
	}
	reply, err := wire.NewReader(to).Next()
	if err != nil {
		return err
	}
	if _, ok := reply.Payload.(wire.ReplyPrivate); !ok {
		return fmt.Errorf("%w: hello was answered by a %T", wire.ErrMalformed, reply.Payload)
	}
	return w.WriteMessage(m)
}
