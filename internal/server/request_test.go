package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"albatross/internal/api"
	"albatross/internal/wire"
)

// refusing fails every command by the same error.
func refusing(failure error) HandlerFunc {
	return func(_ context.Context, c *Conn) error {
		for {
			m, err := c.Next()
			if err == nil {
				err = c.Fail(m.Header, failure)
			}
			if err != nil {
				return err
			}
		}
	}
}

// TestFaultsNameTheRequest: who meets a fault of the host is told how to find it in
// the log, which has the cause.
func TestFaultsNameTheRequest(t *testing.T) {
	r := start(t, Options{Daemon: "testd"}, refusing(&api.Error{Code: api.Internal, Sentence: "it does not work", Err: errors.New("the disk\nis gone")}))
	c := r.dial()
	c.hello()
	c.send(2, wire.PolicyInfo{})
	hint := "the log of testd on its host may say more: look for request=r1"
	c.expect(2, wire.Problem{Code: "internal", Sentence: "it does not work", Hint: &hint})
	want := `client=test version=1 request=r1 name=a:b:www code=internal reason="it does not work" error="the disk\nis gone"`
	if got := r.logged(); !strings.Contains(got, "level=ERROR msg=failed") || !strings.Contains(got, want) {
		t.Error(got)
	}
	c = r.dial()
	c.send(2, wire.PolicyInfo{})
	c.expect(2, wire.Failure{Text: "it does not work"})
}

// TestRefusalsAreLogged with their request, and without saying anything twice.
func TestRefusalsAreLogged(t *testing.T) {
	r := start(t, Options{}, refusing(api.Errorf(api.Denied, "not you: %w", errors.New("too late"))))
	c := r.dial()
	c.hello()
	c.send(2, wire.PolicyInfo{})
	c.expect(2, wire.Problem{Code: "denied", Sentence: "not you: too late"})
	want := "request=r1 name=a:b:www code=denied reason=\"not you: too late\"\n"
	if got := r.logged(); !strings.Contains(got, "level=INFO msg=refused") || !strings.Contains(got, want) {
		t.Error(got)
	}
}

// TestPlainHello names a request for who passes answers on to a client that knows
// no problems.
func TestPlainHello(t *testing.T) {
	names := make(chan string, 1)
	r := start(t, Options{}, func(_ context.Context, c *Conn) error {
		m, err := c.Next()
		if err != nil {
			return err
		}
		names <- c.Request()
		if c.Greeted() {
			t.Error("the client knows no problems")
		}
		return c.Fail(m.Header, errors.New("no"))
	})
	c := r.dial()
	c.send(1, wire.Private{Verb: api.VerbHello, Body: body(t, api.Hello{Client: "albatrossd", Request: "r7", Plain: true})})
	if m, err := c.in.Next(); err != nil {
		t.Fatal(m, err)
	}
	c.send(2, wire.PolicyInfo{})
	c.expect(2, wire.Failure{Text: "no"})
	if got := <-names; got != "r7" {
		t.Errorf("the request is called %q", got)
	}
}

// TestName replaces what a client says by what is known better.
func TestName(t *testing.T) {
	r := start(t, Options{}, func(_ context.Context, c *Conn) error {
		m, err := c.Next()
		if err != nil {
			return err
		}
		c.Name("known", "peer", "192.0.2.1:4711")
		if c.Request() != "known" {
			t.Errorf("the request is called %q", c.Request())
		}
		c.Log().Info("here")
		c.Name("")
		c.Log().Info("nowhere")
		return c.Reply(m.Header, wire.ReplyEmpty{})
	})
	c := r.dial()
	c.hello()
	c.send(2, wire.PolicyInfo{})
	c.expect(2, wire.ReplyEmpty{})
	got := r.logged()
	if !strings.Contains(got, "msg=here uid=") || !strings.Contains(got, "version=1 peer=192.0.2.1:4711 request=known\n") {
		t.Error(got)
	}
	if strings.Count(got, "request=r1") != strings.Count(got, "msg=hello") || !strings.Contains(got, "peer=192.0.2.1:4711\n") {
		t.Errorf("the name of the client is used further: %s", got)
	}
}

// TestNamesAreHarmless: what a client calls itself and its request changes no
// terminal and takes no room.
func TestNamesAreHarmless(t *testing.T) {
	for said, want := range map[string]string{
		"q-17":                    "q-17",
		"\x1b[2J\nrequest=x":      "?[2J?request=x",
		"ä\xff\u202e":             "???",
		strings.Repeat("x", 1000): strings.Repeat("x", maxLogged),
		strings.Repeat("ä", 1000): strings.Repeat("?", maxLogged/2),
	} {
		if got := logged(said); got != want {
			t.Errorf("%q is logged as %q", said, got)
		}
	}
}
