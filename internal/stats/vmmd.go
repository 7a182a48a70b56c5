package stats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"albatross/internal/api"
	"albatross/internal/version"
	"albatross/internal/wire"
)

// Patience with albatrossd.
const (
	vmmdTime   = 30 * time.Second       // for an answer, or until it takes one
	firstRetry = 100 * time.Millisecond // before the second attempt to connect; doubles
	lastRetry  = 5 * time.Second
)

// Reasons why a conversation did not begin.
var (
	errRefused = errors.New("albatrossd gave an unexpected answer")
	errHello   = errors.New("it does not know hello") // Albatross 2.7's closes the connection
)

// followVMMD keeps a connection to albatrossd until ctx ends. The log is told
// once of failures in a row.
func (d *Daemon) followVMMD(ctx context.Context) {
	var failures row
	for {
		attempt := time.Now()
		began, err := d.attendVMMD(ctx, (*vmmd).handOver)
		if errors.Is(err, errHello) && ctx.Err() == nil {
			began, err = d.attendVMMD(ctx, (*vmmd).initial)
		}
		if ctx.Err() != nil {
			return
		}
		pause, first := failures.next(began, time.Since(attempt))
		level := slog.LevelDebug
		if first {
			level = slog.LevelWarn
		}
		d.log.Log(ctx, level, "no connection to albatrossd", "socket", d.tmp.VMMD(), "error", err, "pause", pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// row are failures in a row.
type row struct{ pause time.Duration }

// next returns how long to wait after a connection that lasted so long, and
// whether it is the first that has failed. One that began well and broke at once
// is a failure as any other: what broke it will come again.
func (r *row) next(began bool, lasted time.Duration) (pause time.Duration, first bool) {
	if began && lasted > lastRetry {
		r.pause = 0
	}
	first = r.pause == 0
	r.pause = min(max(2*r.pause, firstRetry), lastRetry)
	return r.pause, first
}

// attendVMMD connects to albatrossd and obeys it until the connection ends, and
// returns why it did. began is true if albatrossd had agreed.
func (d *Daemon) attendVMMD(ctx context.Context, begin func(*vmmd) error) (began bool, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", d.tmp.VMMD())
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // what had to be sent was
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	v := newVMMD(conn.(*net.UnixConn))
	v.most = d.handed
	defer func() { err = errors.Join(err, v.rights.close()) }()
	if err := begin(v); err != nil {
		return false, err
	}
	d.log.Info("connected to albatrossd", "socket", d.tmp.VMMD(), "descriptors", v.hands)
	if v.hands {
		d.makeRoom()
	}
	return true, v.obey(d)
}

// vmmd is a connection to albatrossd.
type vmmd struct {
	conn   net.Conn
	rights *rights
	reader *wire.Reader
	writer *wire.Writer
	most   int  // how many descriptors it may hand over
	hands  bool // it does so
	short  bool // the log was told that it has not for all
}

func newVMMD(conn *net.UnixConn) *vmmd {
	r := &rights{conn: conn}
	return &vmmd{conn: conn, rights: r, reader: wire.NewReader(r), writer: wire.NewWriter(conn)}
}

// initial says that commands are welcome, as Albatross 2.7 has it.
func (v *vmmd) initial() error {
	p, err := v.ask(wire.StatsInitial{})
	if err != nil {
		return err
	}
	if _, ok := p.(wire.ReplyEmpty); !ok {
		return refused(p)
	}
	return v.conn.SetReadDeadline(time.Time{}) // it may be long until a unikernel starts
}

// handOver asks for descriptors too, where albatrossd has them to give.
func (v *vmmd) handOver() error {
	verbs, err := v.hello()
	if err != nil {
		return err
	}
	if !slices.Contains(verbs, api.VerbHandover) {
		return v.initial()
	}
	body, err := json.Marshal(api.HandoverWanted{Descriptors: v.most})
	if err != nil {
		return err
	}
	p, err := v.ask(wire.Private{Verb: api.VerbHandover, Body: body})
	if err != nil {
		return err
	}
	if _, ok := p.(wire.ReplyPrivate); !ok {
		return refused(p)
	}
	v.hands = true
	return v.conn.SetReadDeadline(time.Time{})
}

// hello returns the verbs that albatrossd knows.
func (v *vmmd) hello() ([]string, error) {
	hello, err := json.Marshal(api.Hello{Client: "albatross-stats", Version: version.Version})
	if err != nil {
		return nil, err
	}
	p, err := v.ask(wire.Private{Verb: api.VerbHello, Body: hello})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHello, err)
	}
	reply, ok := p.(wire.ReplyPrivate)
	if !ok {
		return nil, fmt.Errorf("%w: %w", errHello, refused(p))
	}
	var welcome api.Welcome
	if err := json.Unmarshal(reply.Body, &welcome); err != nil {
		return nil, fmt.Errorf("%w: welcome: %w", errRefused, err)
	}
	return welcome.Verbs, nil
}

// ask sends a command and returns the answer.
func (v *vmmd) ask(command wire.Command) (wire.Payload, error) {
	if err := v.write(wire.Message{Payload: command}); err != nil {
		return nil, err
	}
	if err := v.conn.SetReadDeadline(time.Now().Add(vmmdTime)); err != nil {
		return nil, err
	}
	m, err := v.reader.Next()
	return m.Payload, err
}

// refused makes an error of an answer.
func refused(p wire.Payload) error {
	switch p := p.(type) {
	case wire.Failure:
		return fmt.Errorf("%w: %s", errRefused, p.Text)
	case wire.Problem:
		return fmt.Errorf("%w: %s", errRefused, p.Sentence)
	}
	return fmt.Errorf("%w: %T", errRefused, p)
}

// obey answers commands until the connection ends.
func (v *vmmd) obey(d *Daemon) error {
	for {
		m, err := v.reader.Next()
		if err != nil {
			return err
		}
		text, err := v.command(d, m)
		if errors.Is(err, errRefused) {
			return err
		}
		reply := wire.Message{Header: m.Header, Payload: wire.ReplyText{Text: text}}
		if err != nil {
			reply.Payload = wire.Failure{Text: api.AsError(err).Sentence}
			d.log.Warn("refused what albatrossd asked for", "unikernel", m.Name, "error", err)
		}
		if err := v.write(reply); err != nil {
			return err
		}
	}
}

// command obeys one command. An error that matches errRefused says that the
// connection makes no sense any more.
func (v *vmmd) command(d *Daemon, m wire.Message) (string, error) {
	p, ok := m.Payload.(wire.Private)
	if !ok || !v.hands || p.Verb != api.VerbHandover {
		v.notice(d, m.Payload)
		return d.command(m)
	}
	var told api.Handover
	if err := json.Unmarshal(p.Body, &told); err != nil {
		return "", fmt.Errorf("%w: handover: %w", errRefused, err)
	}
	handed, err := v.rights.take(told.Files)
	if err != nil {
		return "", fmt.Errorf("%w: handover: %w", errRefused, err)
	}
	var taps []wire.Tap
	for _, t := range told.Taps {
		taps = append(taps, wire.Tap{Interface: t.Interface, Tap: t.Tap})
	}
	return textAdded, d.add(m.Name, told.PID, taps, handed)
}

func (v *vmmd) write(m wire.Message) error {
	if err := v.conn.SetWriteDeadline(time.Now().Add(vmmdTime)); err != nil {
		return err
	}
	return v.writer.WriteMessage(m)
}

// notice tells the log once if albatrossd, which hands descriptors over, has not done
// so.
func (v *vmmd) notice(d *Daemon, p wire.Payload) {
	if _, ok := p.(wire.StatsAdd); !ok || !v.hands || v.short {
		return
	}
	v.short = true
	d.log.Warn("some unikernels are known by number only: what their control groups and KVM count is not told",
		"descriptors", v.most, "hint", "let albatross-stats have more (ulimit -n, LimitNOFILE=), and restart it")
}
