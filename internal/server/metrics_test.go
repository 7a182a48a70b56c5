package server

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

func TestMetrics(t *testing.T) {
	before := time.Now().Add(-time.Second)
	r := start(t, Options{Daemon: "testd", Metrics: func(m *api.Metrics) { m.Connections["more"] = api.Connections{Total: 7} }}, echo)
	r.dial().hello()
	gone := r.dial()
	gone.hello()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, 20*time.Second, func() error {
		c := r.dial()
		defer func() { _ = c.Close() }()
		c.send(2, wire.Private{Verb: api.VerbMetrics})
		next, err := c.in.Next()
		if err != nil {
			return err
		}
		var m api.Metrics
		if err := json.Unmarshal(next.Payload.(wire.ReplyPrivate).Body, &m); err != nil {
			return err
		}
		if m.Daemon != "testd" || m.PID != os.Getpid() || m.Started.Before(before) || m.Connections["more"].Total != 7 {
			t.Errorf("%+v", m)
		}
		if c := m.Connections[api.ConnUnix]; c.Active != 2 || c.Total < 3 {
			return errors.New("there are other connections")
		}
		return nil
	})
}

// A daemon that tells no metrics does not know the verb.
func TestNoMetrics(t *testing.T) {
	c := start(t, Options{Daemon: "testd"}, echo).dial()
	c.send(2, wire.Private{Verb: api.VerbMetrics})
	m, err := c.in.Next()
	if f, ok := m.Payload.(wire.Failure); err != nil || !ok {
		t.Errorf("%+v, %v", f, err)
	}
}

// Descriptors come with the message that they were sent with.
func TestReplyWith(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	r := start(t, Options{}, func(_ context.Context, c *Conn) error {
		m, err := c.Next()
		if err != nil {
			return err
		}
		fd, err := linux.OpenFile(os.DevNull)
		if err != nil {
			return err
		}
		large := wire.ReplyPrivate{Body: make([]byte, 1<<20)} // more than a socket takes at once
		return errors.Join(c.ReplyWith(m.Header, large, fd.Int(), fd.Int()), c.ReplyWith(m.Header, wire.ReplyEmpty{}), fd.Close())
	})
	c := r.dial()
	c.send(5, wire.PolicyInfo{})
	var got []*linux.FD
	in := wire.NewReader(readerFunc(func(p []byte) (int, error) {
		n, fds, err := linux.RecvFDs(c.UnixConn, p, 4)
		got = append(got, fds...)
		return n, err
	}))
	in.MaxFrame = 2 << 20
	m, err := in.Next()
	if p, ok := m.Payload.(wire.ReplyPrivate); err != nil || !ok || len(p.Body) != 1<<20 || m.Sequence != 5 || len(got) != 2 {
		t.Errorf("%v descriptors, %v", len(got), err)
	}
	if m, err := in.Next(); err != nil || m.Payload != (wire.ReplyEmpty{}) || len(got) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
	if err := linux.CloseAll(got); err != nil {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
