package influx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// DefaultPort is where InfluxDB's listeners (telegraf's, VictoriaMetrics's) take
// lines by TCP; Albatross's default.
const DefaultPort = "8094"

// TCP sends lines as they are on a TCP connection. Nobody answers there, so a
// batch that was on its way when the other side went is lost.
type TCP struct {
	address string
	conn    net.Conn // nil: none
}

// NewTCP returns a sender to HOST or HOST:PORT.
func NewTCP(address string) (*TCP, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, DefaultPort
	}
	if host == "" || port == "" {
		return nil, fmt.Errorf("%q is no address of a database: give HOST or HOST:PORT", address)
	}
	return &TCP{address: net.JoinHostPort(host, port)}, nil
}

// String returns the address.
func (t *TCP) String() string { return t.address }

// Close closes the connection.
func (t *TCP) Close() error {
	if t.conn == nil {
		return nil
	}
	defer func() { t.conn = nil }()
	return t.conn.Close()
}

// Send connects, if there is no connection that is alive, and writes.
func (t *TCP) Send(ctx context.Context, lines []byte) (err error) {
	defer func() {
		if err != nil {
			t.abort()
		}
	}()
	if t.conn != nil && !alive(t.conn) {
		_ = t.Close() // the other side has
	}
	if t.conn == nil {
		dialer := net.Dialer{Control: boundSilence} // with keep-alives
		if t.conn, err = dialer.DialContext(ctx, "tcp", t.address); err != nil {
			return err
		}
	}
	deadline, _ := ctx.Deadline() // the zero time is none
	if err := t.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = t.conn.SetWriteDeadline(time.Unix(1, 0)) })()
	_, err = t.conn.Write(lines)
	return err
}

// abort ends a connection that may have taken part of a line. The other side must
// not take that for a whole one, as it would at an orderly end.
func (t *TCP) abort() {
	if c, ok := t.conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // a reset; it failed already
	}
	_ = t.Close() // likewise
}

// tcpUserTimeout is TCP_USER_TIMEOUT of Linux' uapi/linux/tcp.h: for how many
// milliseconds what was sent may stay unacknowledged. Without it the kernel goes
// on for a quarter of an hour to send to a host that is gone.
const tcpUserTimeout = 18

func boundSilence(_, _ string, c syscall.RawConn) (err error) {
	err2 := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(sendTime.Milliseconds()))
	})
	return errors.Join(err, err2)
}

// alive reports whether the other side still has the connection: it sends
// nothing, so there is nothing to read but its end.
func alive(conn net.Conn) bool {
	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return false
	}
	_, err := conn.Read(make([]byte, 64))
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.EOF)
}
