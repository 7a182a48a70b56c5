package stats

import (
	"net"
	"os"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// albatrossd makes the socket of a daemon that a test plays.
func (r *rig) albatrossd() *net.UnixListener {
	r.t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: r.tmp.VMMD()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = l.Close() })
	return l
}

// meet waits for the daemon, which begins with a hello.
func (r *rig) meet(l *net.UnixListener) (*client, wire.Message) {
	r.t.Helper()
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	c := newClient(r.t, conn)
	return c, c.next()
}

// accept plays an albatrossd of Albatross 2.7: it closes the connection that
// begins with a hello, and answers what the next one begins with.
func (r *rig) accept(l *net.UnixListener, answer wire.Payload) *client {
	r.t.Helper()
	c, m := r.meet(l)
	if p, ok := m.Payload.(wire.Private); !ok || p.Verb != api.VerbHello {
		r.t.Fatalf("it begins with %+v", m)
	}
	if err := c.Close(); err != nil {
		r.t.Fatal(err)
	}
	c, m = r.meet(l)
	if diff := cmp.Diff(wire.Message{Payload: wire.StatsInitial{}}, m, sameName); diff != "" {
		r.t.Fatal(diff)
	}
	c.send(wire.Message{Header: m.Header, Payload: answer})
	return c
}

func TestObeysAlbatrossd(t *testing.T) {
	r := start(t)
	d := r.accept(r.albatrossd(), wire.ReplyEmpty{})
	c := r.subscribe("a:x")
	added, removed := wire.ReplyText{Text: "added"}, wire.ReplyText{Text: "removed"}
	d.expect("a:x", wire.StatsAdd{PID: os.Getpid(), Taps: []wire.Tap{{Interface: "net0", Tap: "lo"}}}, added)
	if n, s := c.sample(); n != ":x" || len(s.Interfaces) != 1 {
		t.Errorf("sample of %s: %+v", n, s)
	}
	d.expect("a:y", wire.StatsAdd{PID: 1 << 30}, added)
	d.expect("a:x", wire.StatsRemove{}, removed)
	r.expectKnown(0, 1)
	d.expect("a:x", wire.StatsRemove{}, removed)
	d.expect("a:x", wire.PolicyInfo{}, wire.Failure{Text: "unexpected command"})
	d.expect("a:x", wire.StatsAdd{PID: os.Getpid()}, added)
}

// A new albatrossd is found, and what the former one added is sampled meanwhile.
func TestConnectsAgain(t *testing.T) {
	r := start(t)
	c := r.subscribe(":")
	l := r.albatrossd()
	for _, n := range []string{":x", ":y", ":z"} {
		d := r.accept(l, wire.ReplyEmpty{})
		d.expect(n, wire.StatsAdd{PID: os.Getpid()}, wire.ReplyText{Text: "added"})
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil { // the daemon is gone with its socket
			t.Fatal(err)
		}
		c.sample()
		l = r.albatrossd()
	}
	r.accept(l, wire.ReplyEmpty{})
	r.expectKnown(3, 1)
}

func TestRefusedByAlbatrossd(t *testing.T) {
	r := start(t)
	l := r.albatrossd()
	for _, answer := range []wire.Payload{wire.Failure{Text: "unknown command"}, wire.ReplyText{Text: "what?"}} {
		r.accept(l, answer).expectEnd()
	}
	d := r.accept(l, wire.ReplyEmpty{}) // it does not give up
	if _, err := d.Write([]byte("\x00\x00\x00\x05hello")); err != nil {
		t.Fatal(err)
	}
	d.expectEnd()
	r.accept(l, wire.ReplyEmpty{})
}

// The end of the daemon ends a connection on which nothing happens, and one that
// never got an answer.
func TestEndsWhileConnected(t *testing.T) {
	r := start(t)
	d := r.accept(r.albatrossd(), wire.ReplyEmpty{})
	r.stop()
	d.expectEnd()

	r = start(t)
	l := r.albatrossd()
	silent, _ := r.meet(l)
	r.stop()
	silent.expectEnd()
}
