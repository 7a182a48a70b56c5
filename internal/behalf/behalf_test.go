package behalf

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// receive reads an introduction as albatrossd does.
func receive(b []byte) (*Client, error) {
	r := wire.NewReader(bytes.NewReader(b))
	m, err := r.Next()
	if err != nil {
		return nil, err
	}
	p, ok := m.Payload.(wire.Private)
	if !ok {
		return nil, ErrMalformed
	}
	c, err := Announced(p)
	if err != nil {
		return nil, err
	}
	return c, c.Receive(r)
}

func TestIntroductionArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chain := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 1, MaxCertificates).Draw(t, "chain")
		peer := rapid.StringMatching(`[0-9.:\[\]]{0,60}`).Draw(t, "peer")
		var b bytes.Buffer
		if err := Send(wire.NewWriter(&b), peer, chain); err != nil {
			t.Fatal(err)
		}
		b.WriteString("what the client sends")
		c, err := receive(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(chain, c.Chain); d != "" || c.Peer != peer || c.Bytes() < len(chain) {
			t.Fatalf("%+v: %s", c, d)
		}
	})
}

// TestNothingBeyondIsRead leaves the client's own bytes in the connection.
func TestNothingBeyondIsRead(t *testing.T) {
	var b bytes.Buffer
	if err := Send(wire.NewWriter(&b), "peer", [][]byte{{1, 2, 3}}); err != nil {
		t.Fatal(err)
	}
	b.WriteString("rest")
	r := wire.NewReader(&b)
	m, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Announced(m.Payload.(wire.Private))
	if err == nil {
		err = c.Receive(r)
	}
	if err != nil || b.String() != "rest" {
		t.Errorf("left is %q, %v", b.String(), err)
	}
}

func TestMalformed(t *testing.T) {
	for _, body := range []string{
		"", "{", "{}", `{"certificates":[]}`, `{"certificates":[0]}`, `{"certificates":[-1]}`,
		`{"certificates":[1,1,1,1,1,1,1,1,1,1,1]}`, `{"certificates":[16777216,16777216]}`,
		`{"certificates":[9223372036854775807]}`, `{"certificates":[1],"peer":"` + strings.Repeat("x", 300) + `"}`,
	} {
		if _, err := Announced(wire.Private{Verb: Verb, Body: []byte(body)}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.80s: %v", body, err)
		}
	}
	if _, err := Announced(wire.Private{Verb: "state", Body: []byte(`{"certificates":[1]}`)}); !errors.Is(err, ErrMalformed) {
		t.Errorf("another verb: %v", err)
	}
	c := Client{Sizes: []int{3}}
	if err := c.Receive(wire.NewReader(strings.NewReader("\x00\x00\x00\x02ab"))); !errors.Is(err, ErrMalformed) {
		t.Errorf("a shorter certificate: %v", err)
	}
	if err := c.Receive(wire.NewReader(strings.NewReader("\x00\x00\x00\x04abcd"))); !errors.Is(err, wire.ErrFrameTooLong) {
		t.Errorf("a longer certificate: %v", err)
	}
}

func FuzzIntroduction(f *testing.F) {
	var b bytes.Buffer
	if err := Send(wire.NewWriter(&b), "192.0.2.1:4321", [][]byte{{1, 2}, {3}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := receive(b)
		if err == nil && c.Bytes() > len(b) {
			t.Errorf("%d bytes of certificates from %d", c.Bytes(), len(b))
		}
	})
}
