package behalf

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"

	"albatross/internal/wire"
)

// VerbCounts is the private command by which albatross-tls tells, on a connection of
// its own, what became of connections of clients since it told so last: [Counts],
// answered by an empty reply. They are believed for what they are: numbers that an
// endpoint which was taken over may make up.
const VerbCounts = "endpoint-counts"

// What became of a connection to albatross-tls.
const (
	Served      = "served"      // handed over to albatrossd
	Refused     = "refused"     // handed over to be refused: expired, revoked or not made for this
	Stranger    = "stranger"    // its certificates do not lead to the root CA
	Broken      = "broken"      // no handshake came about: no TLS 1.3, no certificate, too slow, gone
	Crowded     = "crowded"     // it ended for a newer one, since there were too many, or too much was sent
	Limited     = "limited"     // there were too many clients, or too many of its certificates
	Unavailable = "unavailable" // albatrossd could not be reached
)

// Outcomes lists what may become of a connection.
func Outcomes() []string {
	return []string{Served, Refused, Stranger, Broken, Crowded, Limited, Unavailable}
}

// Counts are numbers of connections by what became of them.
type Counts map[string]uint64

// Limits of counts that are told.
const (
	maxCounts = 1 << 10 // bytes of them
	maxCount  = 1 << 32 // of one kind at a time
)

// ErrNotTold is that of TellCounts where albatrossd did not take them.
var ErrNotTold = errors.New("albatrossd does not take what is counted here")

// TellCounts tells counts on a connection to albatrossd that has a deadline.
func TellCounts(c net.Conn, n Counts) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := wire.NewWriter(c).WriteMessage(wire.Message{Payload: wire.Private{Verb: VerbCounts, Body: body}}); err != nil {
		return err
	}
	m, err := wire.NewReader(c).Next()
	if err != nil {
		return err
	}
	if _, ok := m.Payload.(wire.ReplyEmpty); !ok {
		return ErrNotTold
	}
	return nil
}

// ParseCounts reads the body of VerbCounts. What is counted of other kinds is dropped,
// and large numbers are made smaller.
func ParseCounts(body []byte) (Counts, error) {
	if len(body) > maxCounts {
		return nil, fmt.Errorf("%w: its counts have %d bytes", ErrMalformed, len(body))
	}
	var all Counts
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	known := Counts{}
	for kind, n := range all {
		if slices.Contains(Outcomes(), kind) && n > 0 {
			known[kind] = min(n, maxCount)
		}
	}
	return known, nil
}

// Add adds more counts.
func (c Counts) Add(more Counts) {
	for kind, n := range more {
		c[kind] += n
	}
}
