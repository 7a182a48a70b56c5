// Package behalf is how albatross-tls hands a client over to albatrossd: it says
// who that is, by the certificates the client proved to hold the key of, and
// from then on passes bytes in both directions.
//
//	albatross-tls                              albatrossd, util/remote.sock
//	   │ private "on-behalf" {peer, certificates: n}
//	   ├──────────────────────────────────────────▶
//	   │ n raw frames: DER certificates, leaf first
//	   ├──────────────────────────────────────────▶   verifies the chain again,
//	   │ what the client sends behind its handshake    does what the leaf says
//	   ├──────────────────────────────────────────▶   and nothing else
//	   │                        what the client is to get
//	   ◀──────────────────────────────────────────┤
//
// The endpoint is not believed anything but the peer's address, which goes into
// the log: whoever has taken it over can present the chains of clients that
// came by, while those are valid, and invent none. Beside that it tells numbers,
// on connections of their own: see [VerbCounts].
//
//	behalf.go  [Client], an introduction
//	counts.go  [Counts], what became of connections
//
// The packages endpoint and vmmd import this one; it imports pki and wire.
package behalf

import (
	"encoding/json"
	"errors"
	"fmt"

	"albatross/internal/pki"
	"albatross/internal/wire"
)

// Verb is the private command that begins a connection to util/remote.sock.
const Verb = "on-behalf"

// Limits of what is introduced.
const (
	MaxCertificates = pki.MaxChain + 1           // one more than a chain may have, so that the refusal can say so
	MaxBytes        = pki.MaxCertificate + Usual // of all certificates: an image in the leaf, and those above it
	Usual           = 256 << 10                  // bytes that all certificates have where none carries an image
	maxPeer         = 256                        // bytes of Client.Peer
)

// ErrMalformed tells that an introduction is none, or is too large.
var ErrMalformed = errors.New("introduction of a client cannot be read")

// Client is who a connection is for.
type Client struct {
	Peer  string   `json:"peer"`         // its address, for the log: "192.0.2.1:4321"
	Sizes []int    `json:"certificates"` // bytes of each certificate of Chain
	Chain [][]byte `json:"-"`            // the certificates that it presented: DER, leaf first
}

// Send introduces a client. What the connection of w gets next are the client's
// own bytes.
func Send(w *wire.Writer, peer string, chain [][]byte) error {
	c := Client{Peer: peer}
	for _, certificate := range chain {
		c.Sizes = append(c.Sizes, len(certificate))
	}
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := w.WriteMessage(wire.Message{Payload: wire.Private{Verb: Verb, Body: body}}); err != nil {
		return err
	}
	for _, certificate := range chain {
		if err := w.WriteChunk(certificate); err != nil {
			return err
		}
	}
	return nil
}

// Announced reads the message that begins an introduction: who the client is, and
// how large its certificates are.
func Announced(p wire.Private) (*Client, error) {
	if p.Verb != Verb {
		return nil, fmt.Errorf("%w: it begins with %q", ErrMalformed, p.Verb)
	}
	c := new(Client)
	if err := json.Unmarshal(p.Body, c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(c.Peer) > maxPeer {
		return nil, fmt.Errorf("%w: its peer has %d bytes", ErrMalformed, len(c.Peer))
	}
	if n := len(c.Sizes); n < 1 || n > MaxCertificates {
		return nil, fmt.Errorf("%w: it announces %d certificates", ErrMalformed, n)
	}
	total := 0
	for _, size := range c.Sizes {
		if size < 1 || size > MaxBytes {
			return nil, fmt.Errorf("%w: it announces a certificate of %d bytes", ErrMalformed, size)
		}
		total += size
	}
	if total > MaxBytes {
		return nil, fmt.Errorf("%w: it announces %d bytes of certificates", ErrMalformed, total)
	}
	return c, nil
}

// Bytes returns how many bytes the certificates have, or will have.
func (c *Client) Bytes() int {
	total := 0
	for _, size := range c.Sizes {
		total += size
	}
	return total
}

// Receive reads the certificates that were announced.
func (c *Client) Receive(r *wire.Reader) error {
	defer func(limit int) { r.MaxFrame = limit }(r.MaxFrame)
	for _, size := range c.Sizes {
		r.MaxFrame = size
		b, err := r.Chunk()
		if err != nil {
			return err
		}
		if len(b) != size {
			return fmt.Errorf("%w: a certificate has %d bytes instead of %d", ErrMalformed, len(b), size)
		}
		c.Chain = append(c.Chain, append([]byte(nil), b...)) // b is the reader's
	}
	return nil
}
