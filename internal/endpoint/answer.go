package endpoint

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// answer tells a client why it is refused. The deadline of the handshake, or the one
// that is set here, bounds it.
func (s *Server) answer(client *tls.Conn, raw net.Conn, name vm.Name, sentence string) {
	m := wire.Message{Header: wire.Header{Name: name}, Payload: wire.Failure{Text: sentence}}
	if err := wire.NewWriter(client).WriteMessage(m); err != nil {
		return // it went away
	}
	finish(client, raw)
	_, _ = io.Copy(io.Discard, raw) // until the client has read it and closes
}

// finish tells a client that no more will come. The connection must be read until
// its end afterwards: closing it with bytes unread would tear away from the client
// what it has not received yet.
func finish(client *tls.Conn, raw net.Conn) {
	_ = client.CloseWrite() // a client that is gone needs no end
	if half, ok := raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// past is a deadline that ends reading at once.
var past = time.Unix(1, 0)
