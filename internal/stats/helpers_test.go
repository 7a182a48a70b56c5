package stats

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

const (
	// patience is how long tests wait for what should happen at once.
	patience = 20 * time.Second
	// interval is what tests have for 10 seconds.
	interval = 5 * time.Millisecond
	// second is what tests have for one.
	second = 5 * time.Millisecond
)

var sameName = cmp.Comparer(func(a, b vm.Name) bool { return a == b })

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rig is a statistics daemon in a directory of its own.
type rig struct {
	t      testing.TB
	tmp    paths.Tmp
	daemon *Daemon
	once   sync.Once
	cancel context.CancelFunc
	done   chan error
}

// start serves until the test ends.
func start(t testing.TB) *rig { return startAt(t, interval) }

func startAt(t testing.TB, interval time.Duration) *rig {
	t.Helper()
	testutil.NoLeakedFDs(t, os.Getpid())
	tmp := paths.Tmp(testutil.TempDirShort(t))
	if err := os.Mkdir(tmp.Util(), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen(tmp.Stats())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{t: t, tmp: tmp, daemon: New(log, tmp, interval), cancel: cancel, done: make(chan error, 1)}
	r.daemon.second = second
	go func() { r.done <- r.daemon.Serve(ctx, l) }()
	t.Cleanup(r.stop)
	return r
}

// stop ends the daemon.
func (r *rig) stop() {
	r.once.Do(func() {
		r.cancel()
		select {
		case err := <-r.done:
			if err != nil {
				r.t.Error(err)
			}
		case <-time.After(patience):
			r.t.Error("the daemon does not end")
		}
	})
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// known returns how many targets and subscribers there are.
func (r *rig) known() (targets, subscribers int) {
	r.daemon.mu.Lock()
	defer r.daemon.mu.Unlock()
	return len(r.daemon.targets), len(r.daemon.subscribers)
}

// expectKnown waits until there are so many.
func (r *rig) expectKnown(targets, subscribers int) {
	r.t.Helper()
	testutil.Eventually(r.t, patience, func() error {
		if gotT, gotS := r.known(); gotT != targets || gotS != subscribers {
			r.t.Logf("%d targets and %d subscribers, want %d and %d", gotT, gotS, targets, subscribers)
			return errors.New("there are others than expected")
		}
		return nil
	})
}

// client is a connection to a daemon, or of one.
type client struct {
	t testing.TB
	net.Conn
	in  *wire.Reader
	out *wire.Writer
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn, wire.NewReader(patient{conn}), wire.NewWriter(conn)}
}

// patient is a connection that is read with patience.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

func (r *rig) dial() *client {
	r.t.Helper()
	conn, err := net.Dial("unix", r.tmp.Stats())
	if err != nil {
		r.t.Fatal(err)
	}
	return newClient(r.t, conn)
}

func (c *client) send(m wire.Message) {
	c.t.Helper()
	if err := c.out.WriteMessage(m); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) next() wire.Message {
	c.t.Helper()
	m, err := c.in.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// expect sends a command and wants this answer.
func (c *client) expect(n string, p, want wire.Payload) {
	c.t.Helper()
	h := wire.Header{Sequence: 7, Name: name(c.t, n)}
	c.send(wire.Message{Header: h, Payload: p})
	if diff := cmp.Diff(wire.Message{Header: h, Payload: want}, c.next(), sameName); diff != "" {
		c.t.Fatal(diff)
	}
}

// expectEnd waits for the end of the connection. Samples may come before.
func (c *client) expectEnd() {
	c.t.Helper()
	for {
		m, err := c.in.Next()
		if _, sample := m.Payload.(wire.StatsData); err == nil && sample {
			continue
		}
		var netErr net.Error
		if err == nil || errors.As(err, &netErr) && netErr.Timeout() {
			c.t.Fatalf("got %v, %v; want the end of the connection", m, err)
		}
		return
	}
}

// subscribe returns a client that gets samples.
func (r *rig) subscribe(n string) *client {
	r.t.Helper()
	c := r.dial()
	c.expect(n, wire.StatsSubscribe{}, wire.ReplyText{Text: "subscribed"})
	return c
}

// add has a process sampled.
func (r *rig) add(n string, pid int, taps ...wire.Tap) {
	r.t.Helper()
	c := r.dial()
	defer func() { _ = c.Close() }()
	c.expect(n, wire.StatsAdd{PID: pid, Taps: taps}, wire.ReplyText{Text: "added"})
}

// sample returns the next sample, which must have the header of a stream.
func (c *client) sample() (string, vm.Stats) {
	c.t.Helper()
	m := c.next()
	data, ok := m.Payload.(wire.StatsData)
	if !ok || m.Sequence != 0 {
		c.t.Fatalf("got %v, want a sample", m)
	}
	return m.Name.Wire(), data.Stats
}

// process is one that does nothing until the test ends.
func process(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Skipf("needs sleep: %v", err)
	}
	t.Cleanup(func() { end(cmd) })
	return cmd
}

// end kills and reaps a process, if that was not done before.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
