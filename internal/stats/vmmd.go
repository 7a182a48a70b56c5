package stats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"albatross/internal/api"
	"albatross/internal/wire"
)

// Patience with albatrossd.
const (
	vmmdTime   = 30 * time.Second       // for an answer, or until it takes one
	firstRetry = 100 * time.Millisecond // before the second attempt to connect; doubles
	lastRetry  = 5 * time.Second
)

// errRefused says that albatrossd does not want to talk about statistics.
var errRefused = errors.New("albatrossd gave an unexpected answer")

// followVMMD keeps a connection to albatrossd until ctx ends. The log is told
// once of failures in a row.
func (d *Daemon) followVMMD(ctx context.Context) {
	pause, level := firstRetry, d.log.Warn
	for {
		began, err := d.attendVMMD(ctx)
		if ctx.Err() != nil {
			return
		}
		if began {
			pause, level = firstRetry, d.log.Warn
		}
		level("no connection to albatrossd", "socket", d.tmp.VMMD(), "error", err, "again_in", pause)
		level = d.log.Debug
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, lastRetry)
	}
}

// attendVMMD connects to albatrossd and obeys it until the connection ends, and
// returns why it did. began is true if albatrossd had agreed.
func (d *Daemon) attendVMMD(ctx context.Context) (began bool, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", d.tmp.VMMD())
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // what had to be sent was
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	v := &vmmd{conn: conn, reader: wire.NewReader(conn), writer: wire.NewWriter(conn)}
	if err := v.begin(); err != nil {
		return false, err
	}
	d.log.Info("connected to albatrossd", "socket", d.tmp.VMMD())
	return true, v.obey(d)
}

// vmmd is a connection to albatrossd.
type vmmd struct {
	conn   net.Conn
	reader *wire.Reader
	writer *wire.Writer
}

// begin says that commands are welcome.
func (v *vmmd) begin() error {
	if err := v.write(wire.Message{Payload: wire.StatsInitial{}}); err != nil {
		return err
	}
	if err := v.conn.SetReadDeadline(time.Now().Add(vmmdTime)); err != nil {
		return err
	}
	m, err := v.reader.Next()
	if err != nil {
		return err
	}
	switch p := m.Payload.(type) {
	case wire.ReplyEmpty:
		return v.conn.SetReadDeadline(time.Time{}) // it may be long until a unikernel starts
	case wire.Failure:
		return fmt.Errorf("%w: %s", errRefused, p.Text)
	}
	return fmt.Errorf("%w: %T", errRefused, m.Payload)
}

// obey answers commands until the connection ends.
func (v *vmmd) obey(d *Daemon) error {
	for {
		m, err := v.reader.Next()
		if err != nil {
			return err
		}
		text, refused := d.command(m)
		reply := wire.Message{Header: m.Header, Payload: wire.ReplyText{Text: text}}
		if refused != nil {
			reply.Payload = wire.Failure{Text: api.AsError(refused).Sentence}
			d.log.Warn("refused what albatrossd asked for", "name", m.Name, "error", refused)
		}
		if err := v.write(reply); err != nil {
			return err
		}
	}
}

func (v *vmmd) write(m wire.Message) error {
	if err := v.conn.SetWriteDeadline(time.Now().Add(vmmdTime)); err != nil {
		return err
	}
	return v.writer.WriteMessage(m)
}
