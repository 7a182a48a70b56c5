package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/console/archive"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long tests wait for what should happen at once.
const patience = 20 * time.Second

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rig is a console daemon in a directory of its own.
type rig struct {
	t      testing.TB
	tmp    paths.Tmp
	logs   string // directory of logs; empty: there are none
	daemon *Daemon
	once   sync.Once
	cancel context.CancelFunc
	done   chan error
}

// newRig makes the directories of a daemon.
func newRig(t testing.TB) *rig {
	t.Helper()
	testutil.NoLeakedFDs(t, os.Getpid())
	tmp := paths.Tmp(testutil.TempDirShort(t))
	for _, dir := range []string{tmp.Util(), tmp.FIFOs()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &rig{t: t, tmp: tmp}
}

// start is newRig with a daemon that serves until the test ends.
func start(t testing.TB) *rig {
	t.Helper()
	r := newRig(t)
	r.serve(DefaultLimits())
	return r
}

// startWithLogs is start with logs on disk.
func startWithLogs(t testing.TB) *rig {
	t.Helper()
	r := newRig(t)
	r.logs = filepath.Join(string(r.tmp), "logs")
	r.serve(DefaultLimits())
	return r
}

func (r *rig) serve(limits Limits) {
	r.t.Helper()
	l, err := server.Listen(r.tmp.Console())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(testWriter{r.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, bench := r.t.(*testing.B); bench {
		log = slog.New(slog.DiscardHandler)
	}
	d, done := New(log, r.tmp, limits), make(chan error, 1)
	if r.logs != "" {
		if err := d.KeepLogs(r.logs, archive.Options{}); err != nil {
			r.t.Fatal(err)
		}
	}
	go func() { done <- d.Serve(ctx, l) }()
	r.once = sync.Once{}
	r.daemon, r.cancel, r.done = d, cancel, done
	r.t.Cleanup(r.stop)
}

// stop ends the daemon.
func (r *rig) stop() {
	r.once.Do(func() {
		r.checkTally()
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

// checkTally counts again what the daemon counts as it goes.
func (r *rig) checkTally() {
	d := r.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	want := tally{added: map[vm.Path]int{}}
	for n, c := range d.consoles {
		if c.added {
			want.add(n.Path())
		}
		if c.added && !c.active() {
			want.inactive++
		}
	}
	if diff := cmp.Diff(want, d.tally, cmp.AllowUnexported(tally{})); diff != "" {
		r.t.Errorf("the tally is wrong (-want +got):\n%s", diff)
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// unikernel is what writes to a FIFO.
type unikernel struct {
	t    testing.TB
	file *os.File
}

// unikernel makes the FIFO of n, if there is none, and opens it as albatrossd
// does.
func (r *rig) unikernel(n string) *unikernel {
	r.t.Helper()
	path := r.tmp.FIFO(name(r.t, n))
	if err := linux.Mkfifo(path, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		r.t.Fatal(err)
	}
	fd, err := linux.OpenFIFO(path)
	if err != nil {
		r.t.Fatal(err)
	}
	file := fd.File(path)
	r.t.Cleanup(func() { _ = file.Close() })
	return &unikernel{r.t, file}
}

// removeFIFO removes the name of a FIFO, as before it is made anew.
func (r *rig) removeFIFO(n string) {
	r.t.Helper()
	if err := os.Remove(r.tmp.FIFO(name(r.t, n))); err != nil {
		r.t.Fatal(err)
	}
}

// print writes all of text, waiting for room where there is none.
func (u *unikernel) print(text string) {
	u.t.Helper()
	if _, err := u.file.WriteString(text); err != nil {
		u.t.Fatal(err)
	}
}

func (u *unikernel) exit() {
	u.t.Helper()
	if err := u.file.Close(); err != nil {
		u.t.Fatal(err)
	}
}

// client is a connection to the daemon.
type client struct {
	t testing.TB
	*net.UnixConn
	in  *wire.Reader
	out *wire.Writer
}

func (r *rig) dial() *client {
	r.t.Helper()
	nc, err := net.Dial("unix", r.tmp.Console())
	if err != nil {
		r.t.Fatal(err)
	}
	uc := nc.(*net.UnixConn)
	r.t.Cleanup(func() { _ = uc.Close() })
	return &client{r.t, uc, wire.NewReader(patient{uc}), wire.NewWriter(uc)}
}

// patient is a connection that is read with patience.
type patient struct{ *net.UnixConn }

func (p patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.UnixConn.Read(b)
}

// ask sends a command and returns the payload of the reply.
func (c *client) ask(n string, p wire.Payload) wire.Payload {
	c.t.Helper()
	h := wire.Header{Sequence: 7, Name: name(c.t, n)}
	if err := c.out.WriteMessage(wire.Message{Header: h, Payload: p}); err != nil {
		c.t.Fatal(err)
	}
	m, err := c.in.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	if m.Header != h {
		c.t.Fatalf("the reply has header %v, want %v", m.Header, h)
	}
	return m.Payload
}

func (c *client) expect(n string, p, want wire.Payload) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.ask(n, p), cmp.Comparer(func(a, b vm.Name) bool { return a == b })); diff != "" {
		c.t.Fatal(diff)
	}
}

// greet has the client be one of ours.
func (c *client) greet() *client {
	c.t.Helper()
	if _, ok := c.ask(":", wire.Private{Verb: api.VerbHello, Body: []byte("{}")}).(wire.ReplyPrivate); !ok {
		c.t.Fatal("hello is not answered")
	}
	return c
}

// send sends a private command.
func (c *client) send(n, verb, body string) {
	c.t.Helper()
	m := wire.Message{Header: wire.Header{Name: name(c.t, n)}, Payload: wire.Private{Verb: verb, Body: []byte(body)}}
	if err := c.out.WriteMessage(m); err != nil {
		c.t.Fatal(err)
	}
}

// recalled returns the lines up to what ends them, each with the name of its
// console where that is not n.
func (c *client) recalled(n string) (lines []string, end api.History) {
	c.t.Helper()
	for {
		m, err := c.in.Next()
		if err != nil {
			c.t.Fatal(err)
		}
		switch p := m.Payload.(type) {
		case wire.ConsoleData:
			line := p.Line
			if m.Name.Wire() != n {
				line = m.Name.Wire() + " " + line
			}
			lines = append(lines, line)
		case wire.ReplyPrivate:
			if err := json.Unmarshal(p.Body, &end); err != nil {
				c.t.Fatal(err)
			}
			return lines, end
		default:
			c.t.Fatalf("got %v", m)
		}
	}
}

// history asks for lines that were written before.
func (r *rig) history(n, body string) (lines []string, end api.History) {
	r.t.Helper()
	c := r.dial().greet()
	defer func() { _ = c.Close() }()
	c.send(n, api.VerbHistory, body)
	return c.recalled(n)
}

// add tells the daemon of a unikernel.
func (r *rig) add(n string, allowed int) {
	r.t.Helper()
	c := r.dial()
	defer func() { _ = c.Close() }()
	c.expect(n, wire.ConsoleAdd{Unikernels: allowed}, wire.ReplyEmpty{})
}

// subscribe returns a client that gets count old lines and all new ones.
func (r *rig) subscribe(n string, count int, reply string) *client {
	r.t.Helper()
	c := r.dial()
	c.expect(n, wire.ConsoleSubscribe{Count: count}, wire.ReplyText{Text: reply})
	return c
}

// line returns the next line.
func (c *client) line() (wire.ConsoleData, wire.Header) {
	c.t.Helper()
	m, err := c.in.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	data, ok := m.Payload.(wire.ConsoleData)
	if !ok {
		c.t.Fatalf("got %v, want a line", m)
	}
	return data, m.Header
}

// expectLines wants these lines next.
func (c *client) expectLines(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got, _ := c.line(); got.Line != w {
			c.t.Fatalf("got line %q, want %q", got.Line, w)
		}
	}
}

// expectEnd waits for the end of the connection, and for nothing before.
func (c *client) expectEnd() {
	c.t.Helper()
	m, err := c.in.Next()
	var netErr net.Error
	if err == nil || errors.As(err, &netErr) && netErr.Timeout() {
		c.t.Fatalf("got %v, %v; want the end of the connection", m, err)
	}
}

// expectInactive waits until exactly these consoles are inactive.
func (r *rig) expectInactive(path string, want ...string) {
	r.t.Helper()
	testutil.Eventually(r.t, patience, func() error {
		c := r.dial()
		defer func() { _ = c.Close() }()
		reply, ok := c.ask(path, wire.ConsoleListInactive{}).(wire.ReplyConsoles)
		var got []string
		for _, n := range reply.Names {
			got = append(got, n.Wire())
		}
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			return fmt.Errorf("inactive consoles: %s", diff)
		}
		return nil
	})
}

// numbered returns the lines "from" … "to-1", padded.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%08d a line as unikernels print them\n", i)
	}
	return b.String()
}
