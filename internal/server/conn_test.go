package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/version"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestHello(t *testing.T) {
	requests := make(chan string, 1)
	r := start(t, Options{Daemon: "testd", Verbs: []string{"state"}}, func(_ context.Context, c *Conn) error {
		m, err := c.Next()
		if err != nil {
			return err
		}
		requests <- c.Request()
		return c.Reply(m.Header, wire.ReplyPrivate{Body: m.Payload.(wire.Private).Body})
	})
	c := r.dial()
	c.send(3, wire.Private{Verb: "hello", Body: body(t, api.Hello{Client: "albatross", Version: "9", Request: "q-17"})})
	m, err := c.in.Next()
	if err != nil {
		t.Fatal(err)
	}
	reply, ok := m.Payload.(wire.ReplyPrivate)
	if !ok || m.Sequence != 3 {
		t.Fatalf("hello was answered by %v", m)
	}
	var got api.Welcome
	if err := json.Unmarshal(reply.Body, &got); err != nil {
		t.Fatal(err)
	}
	want := api.Welcome{Daemon: "testd", Version: version.Version, Verbs: []string{"hello", "state"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	c.send(4, wire.Private{Verb: "state", Body: []byte("{}")})
	c.expect(4, wire.ReplyPrivate{Body: []byte("{}")})
	if got := <-requests; got != "q-17" {
		t.Errorf("the request is called %q", got)
	}
	c.expectEnd()
}

func TestFailuresAfterHelloAreProblems(t *testing.T) {
	c := start(t, Options{Daemon: "testd"}, echo).dial()
	c.hello()
	c.send(2, wire.PolicyInfo{})
	hint := "look elsewhere"
	c.expect(2, wire.Problem{Code: "not-found", Sentence: "no such thing: " + io.ErrNoProgress.Error(), Hint: &hint})
}

func TestUnknownVerb(t *testing.T) {
	c := start(t, Options{Daemon: "testd", Verbs: []string{"state"}}, echo).dial()
	c.send(1, wire.Private{Verb: "brew", Body: []byte("{}")})
	c.expect(1, wire.Failure{Text: `testd does not know the command "brew"`})
	// The connection is still good, but it is too late for a hello.
	c.send(2, wire.Private{Verb: "hello", Body: []byte("{}")})
	c.expect(2, wire.Failure{Text: "hello is the first message of a connection"})

	c = start(t, Options{Daemon: "testd", Verbs: []string{"state"}}, echo).dial()
	c.hello()
	c.send(2, wire.Private{Verb: "brew"})
	hint := "it knows hello, state"
	c.expect(2, wire.Problem{Code: "unavailable", Sentence: `testd does not know the command "brew"`, Hint: &hint})
	c.send(3, wire.BlockInfo{})
	c.expect(3, wire.ReplyText{Text: "a:b:www"})
}

func TestBadHello(t *testing.T) {
	c := start(t, Options{}, echo).dial()
	c.send(1, wire.Private{Verb: "hello", Body: []byte("{")})
	m, err := c.in.Next()
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := m.Payload.(wire.Failure); !ok || !strings.HasPrefix(f.Text, "hello: ") {
		t.Errorf("answered by %v", m.Payload)
	}
}

// What a client says of itself must not fill the log.
func TestHelloIsShortened(t *testing.T) {
	requests := make(chan string, 1)
	r := start(t, Options{}, func(_ context.Context, c *Conn) error {
		_, err := c.Next()
		requests <- c.Request()
		return err
	})
	c := r.dial()
	c.send(1, wire.Private{Verb: "hello", Body: body(t, api.Hello{Request: strings.Repeat("ä", 1000)})})
	c.send(2, wire.BlockInfo{})
	if got := <-requests; len(got) > maxLogged {
		t.Errorf("%d bytes are kept", len(got))
	}
}

func TestMalformedGetsNoReply(t *testing.T) {
	r := start(t, Options{}, echo)
	trailing, err := wire.Message{Payload: wire.BlockInfo{}}.Append([]byte{0, 0, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	trailing = append(trailing, 'x')
	trailing[3] = byte(len(trailing) - 4)
	for name, frame := range map[string]string{
		"garbage":        "\x00\x00\x00\x05hello",
		"empty frame":    "\x00\x00\x00\x00",
		"negative":       "\xff\xff\xff\xff",
		"too long":       "\x00\x01\x00\x01",
		"trailing bytes": string(trailing),
	} {
		c := r.dial()
		if _, err := c.Write([]byte(frame)); err != nil {
			t.Fatal(err)
		}
		if m, err := c.in.Next(); !ended(err) {
			t.Errorf("%s: got %v, %v; want the end of the connection", name, m, err)
		}
	}
}

func TestPeer(t *testing.T) {
	peers := make(chan linux.Peer, 1)
	r := start(t, Options{}, func(_ context.Context, c *Conn) error {
		peers <- c.Peer()
		return nil
	})
	r.dial()
	want := linux.Peer{PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid()}
	if got := <-peers; got != want {
		t.Errorf("the peer is %v, want %v", got, want)
	}
}

// A client that sends a whole image before it reads gets the refusal.
func TestRefusedOctets(t *testing.T) {
	full := errors.New("the disk is full")
	r := start(t, Options{}, func(_ context.Context, c *Conn) error {
		c.Reader().Sink = func(_ wire.Header, _ wire.Octets, content io.Reader) error {
			_, err := io.CopyN(io.Discard, content, 10)
			return errors.Join(err, full)
		}
		_, err := c.Next()
		var refused *wire.RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("Next: %v", err)
			return err
		}
		return c.Fail(refused.Header, api.Errorf(api.Resource, "no place: %w", full))
	})
	c := r.dial()
	const size = 4 << 20
	create := wire.UnikernelCreate{Config: vm.Config{}}
	m := wire.Message{Header: header(5), Payload: create}
	if err := c.out.WriteStreamed(m, io.LimitReader(zeros{}, size), size); err != nil {
		t.Fatal(err)
	}
	c.expect(5, wire.Failure{Text: "no place: the disk is full"})
	c.expectEnd()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestSend(t *testing.T) {
	const n = 5000
	r := start(t, Options{}, func(_ context.Context, c *Conn) error {
		return c.Send(func(yield func(wire.Message) bool) {
			for i := range int64(n) {
				if !yield(wire.Message{Header: header(i), Payload: wire.ReplyEmpty{}}) {
					return
				}
			}
		})
	})
	c := r.dial()
	for i := range int64(n) {
		c.expect(i, wire.ReplyEmpty{})
	}
	c.expectEnd()
}
