package server

import (
	"encoding/json"
	"os"
	"time"

	"albatross/internal/api"
	"albatross/internal/metrics"
	"albatross/internal/version"
	"albatross/internal/wire"
)

func (o *Options) beginCounting() {
	o.started = time.Now().UTC()
	if o.Connections == nil {
		o.Connections = new(metrics.Connections)
	}
}

// tellMetrics answers the verb "metrics".
func (c *Conn) tellMetrics(h wire.Header) error {
	m := api.Metrics{
		Daemon: c.opts.Daemon, Version: version.Version, PID: os.Getpid(), Started: c.opts.started,
		Connections: map[string]api.Connections{api.ConnUnix: c.opts.Connections.Read()},
	}
	c.opts.Metrics(&m)
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return c.Reply(h, wire.ReplyPrivate{Body: body})
}
