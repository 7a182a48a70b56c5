package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"albatross/internal/behalf"
	"albatross/internal/wire"
)

const (
	pieceSize     = 32 << 10         // bytes that are copied at a time
	dialTimeout   = 5 * time.Second  // for connecting to albatrossd
	daemonTimeout = 5 * time.Minute  // for albatrossd to take a piece: it may wait for disks
	lingerTimeout = 30 * time.Second // for a client to end when albatrossd has

	// refusalTimeout is for albatrossd to say why it refuses a client: a large chain
	// may have to wait for others.
	refusalTimeout = daemonTimeout
)

// relay is a client that was let in, and its connection to albatrossd.
type relay struct {
	limits Limits
	client *tls.Conn
	raw    net.Conn // below client
	daemon *net.UnixConn
}

// relay introduces a client to albatrossd and copies bytes until both have ended. Of
// one that is refused nothing but the chain goes there: albatrossd refuses it by
// itself, and keeps the log of what was asked for in vain.
func (s *Server) relay(ctx, hard context.Context, log *slog.Logger, client *tls.Conn, raw net.Conn, v *verdict) {
	d := net.Dialer{Timeout: dialTimeout}
	daemon, err := d.DialContext(ctx, "unix", s.config.Daemon)
	if err != nil {
		why := unavailable(err)
		s.turnAway(log, slog.LevelError, behalf.Unavailable, "client refused", "reason", why, "error", err)
		_ = raw.SetDeadline(time.Now().Add(s.config.Limits.HandshakeTimeout))
		if v.refusal != nil {
			why = v.refusal.Error()
		}
		s.answer(client, raw, v.name(), why)
		return
	}
	defer func() { _ = daemon.Close() }() // both directions have ended
	s.introduced(log, v)
	// From now on each direction has deadlines of its own.
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return // the client is gone
	}
	r := &relay{limits: s.config.Limits, client: client, raw: raw, daemon: daemon.(*net.UnixConn)}
	defer context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(past) })()
	defer context.AfterFunc(hard, r.abort)()
	sent := make(chan error, 1)
	go func() { sent <- r.up(peerOf(raw), v) }()
	received := r.down()
	log.Debug("client ended", "received", received, "sent", <-sent)
}

// introduced says that a client was handed over, and whether it will be served.
func (s *Server) introduced(log *slog.Logger, v *verdict) {
	if v.refusal != nil {
		s.turnAway(log, slog.LevelInfo, behalf.Refused, "client introduced to be refused", "reason", v.refusal)
		return
	}
	s.tally.add(behalf.Served)
	log.Info("client introduced")
}

// unavailable says to a client why albatrossd cannot be reached.
func unavailable(err error) string {
	const that = "albatrossd does not serve remote clients: "
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return that + "it does not run, or was started without --remote-ca"
	case errors.Is(err, syscall.ECONNREFUSED):
		return that + "it does not run"
	case errors.Is(err, fs.ErrPermission):
		return that + "albatross-tls may not open its socket"
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return that + "it is too busy: try again later"
	}
	return that + "its socket cannot be reached"
}

// abort ends both directions.
func (r *relay) abort() {
	_ = r.raw.Close() // they may be closed already
	_ = r.daemon.Close()
}

// up introduces the client and copies what it sends, up to its end of data, which
// the daemon is told. What a refused client sends is dropped.
func (r *relay) up(peer string, v *verdict) error {
	err := behalf.Send(wire.NewWriter(toDaemon{r.daemon}), peer, v.presented)
	if err == nil && v.refusal == nil {
		err = r.copyUp(make([]byte, pieceSize))
	}
	switch {
	case err == nil && v.refusal != nil:
		err = r.daemon.CloseWrite()
		// A client that sends before it reads must get as far as reading. How it ends
		// is of no interest: down tells it the answer, or finds out that it is gone.
		_, _ = io.Copy(io.Discard, r.raw)
		return err
	case err == nil:
		return r.daemon.CloseWrite()
	case errors.Is(err, errClient), errors.Is(err, os.ErrDeadlineExceeded):
		// A dead client must not be taken for one that listens, and a daemon that
		// takes nothing for so long is stuck. To crypto/tls the end of a connection
		// between two records is an end of data: that no half of a command passes for
		// a whole one is the business of the frames inside.
		r.abort()
	default:
		// The daemon wants no more. What it said first is on its way to the client.
		_, _ = io.Copy(io.Discard, r.client) // until its end, or the deadline of down
	}
	return err
}

// errClient wraps what went wrong with the client, not with the daemon.
var errClient = errors.New("client")

func (r *relay) copyUp(piece []byte) error {
	for {
		n, err := r.client.Read(piece)
		if n > 0 {
			if _, err := (toDaemon{r.daemon}).Write(piece[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
			return nil // its end, or ours
		default:
			return fmt.Errorf("%w: %w", errClient, err)
		}
	}
}

// toDaemon writes to the daemon with a deadline.
type toDaemon struct{ *net.UnixConn }

func (d toDaemon) Write(p []byte) (int, error) {
	if err := d.SetWriteDeadline(time.Now().Add(daemonTimeout)); err != nil {
		return 0, err
	}
	return d.UnixConn.Write(p)
}

// down copies what the daemon says, up to its end, which the client is told.
func (r *relay) down() error {
	err := r.copyDown(make([]byte, pieceSize))
	if errors.Is(err, errClient) {
		r.abort()
		return err
	}
	finish(r.client, r.raw)
	_ = r.raw.SetReadDeadline(time.Now().Add(lingerTimeout)) // ends up, if the client does not
	return err
}

func (r *relay) copyDown(piece []byte) error {
	for {
		n, err := r.daemon.Read(piece)
		if n > 0 {
			if err := r.write(piece[:n]); err != nil {
				return fmt.Errorf("%w: %w", errClient, err)
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
			return nil // reset: it did not read all that the client sent
		default:
			return err
		}
	}
}

func (r *relay) write(piece []byte) error {
	if err := r.raw.SetWriteDeadline(time.Now().Add(r.limits.StallTimeout)); err != nil {
		return err
	}
	_, err := r.client.Write(piece)
	return err
}
