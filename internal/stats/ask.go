package stats

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"albatross/internal/api"
	"albatross/internal/wire"
)

const (
	askTime   = 3 * time.Second // for another daemon's counts
	maxCounts = 64 << 20        // bytes: of many thousand unikernels
)

// Ask asks the daemon that listens on a socket what it counts.
func Ask(ctx context.Context, socket string) (m api.Metrics, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return m, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	v := newVMMD(conn.(*net.UnixConn))
	defer func() { _ = v.rights.close() }() // there are none
	v.reader.MaxFrame = maxCounts
	p, err := v.ask(wire.Private{Verb: api.VerbMetrics})
	if ctx.Err() != nil {
		return m, ctx.Err()
	}
	if err != nil {
		return m, err
	}
	reply, ok := p.(wire.ReplyPrivate)
	if !ok {
		return m, refused(p)
	}
	if err := json.Unmarshal(reply.Body, &m); err != nil {
		return m, fmt.Errorf("%s: %w", socket, err)
	}
	return m, nil
}
