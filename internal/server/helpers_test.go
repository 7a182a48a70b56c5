package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long tests wait for what should happen at once.
const patience = 20 * time.Second

// running is a server under test.
type running struct {
	t    *testing.T
	path string
	stop context.CancelFunc
	done chan error
	once sync.Once
	log  *testLog
}

// start serves until the test ends.
func start(t *testing.T, opts Options, h HandlerFunc) *running {
	t.Helper()
	path := filepath.Join(testutil.TempDirShort(t), "s.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, path: path, stop: cancel, done: make(chan error, 1), log: &testLog{t: t}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() { r.done <- Serve(ctx, log, l, opts, h) }()
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// end stops the server and returns what Serve returned, nil the second time.
func (r *running) end() (err error) {
	r.once.Do(func() {
		r.stop()
		select {
		case err = <-r.done:
		case <-time.After(patience):
			err = errors.New("Serve does not return")
		}
	})
	return err
}

// logged returns what the server has logged so far.
func (r *running) logged() string {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	return r.log.all.String()
}

// testLog keeps the log, and shows it with the test that caused it.
type testLog struct {
	t   *testing.T
	mu  sync.Mutex
	all strings.Builder // guarded by mu
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Logf("%s", p)
	return l.all.Write(p)
}

// client is the other end of a connection.
type client struct {
	t *testing.T
	*net.UnixConn
	in  *wire.Reader
	out *wire.Writer
}

func (r *running) dial() *client {
	r.t.Helper()
	nc, err := net.Dial("unix", r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	uc := nc.(*net.UnixConn)
	r.t.Cleanup(func() { _ = uc.Close() })
	if err := uc.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	return &client{r.t, uc, wire.NewReader(uc), wire.NewWriter(uc)}
}

func header(sequence int64) wire.Header {
	return wire.Header{Sequence: sequence, Name: vm.MakeName(vm.MakePath("a", "b"), "www")}
}

func (c *client) send(sequence int64, p wire.Payload) {
	c.t.Helper()
	if err := c.out.WriteMessage(wire.Message{Header: header(sequence), Payload: p}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) expect(sequence int64, want wire.Payload) {
	c.t.Helper()
	got, err := c.in.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	if diff := cmp.Diff(wire.Message{Header: header(sequence), Payload: want}, got, cmp.Comparer(sameName)); diff != "" {
		c.t.Fatal(diff)
	}
}

func sameName(a, b vm.Name) bool { return a == b }

// expectEnd waits for the end of the connection, and for nothing before.
func (c *client) expectEnd() {
	c.t.Helper()
	if m, err := c.in.Next(); !ended(err) {
		c.t.Fatalf("got %v, %v; want the end of the connection", m, err)
	}
}

// ended reports whether err is what a client sees of a connection that the
// server has closed.
func ended(err error) bool {
	var netErr net.Error
	return err != nil && (errors.Is(err, io.EOF) || !errors.As(err, &netErr) || !netErr.Timeout())
}

func body(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c *client) hello() {
	c.t.Helper()
	c.send(1, wire.Private{Verb: api.VerbHello, Body: body(c.t, api.Hello{Client: "test", Version: "1", Request: "r1"})})
	if _, err := c.in.Next(); err != nil {
		c.t.Fatal(err)
	}
}

// echo answers block infos with the name that was asked for, fails other commands.
func echo(_ context.Context, c *Conn) error {
	for {
		m, err := c.Next()
		if err != nil {
			return err
		}
		switch m.Payload.(type) {
		case wire.BlockInfo:
			err = c.Reply(m.Header, wire.ReplyText{Text: m.Name.Wire()})
		default:
			err = c.Fail(m.Header, api.Errorf(api.NotFound, "no such thing: %w", io.ErrNoProgress).Hinted("look elsewhere"))
		}
		if err != nil {
			return err
		}
	}
}
