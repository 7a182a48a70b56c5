package behalf

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// TestCountsArrive tells counts to an albatrossd that takes them, one that does not,
// and one that goes away.
func TestCountsArrive(t *testing.T) {
	told := Counts{Served: 3, Broken: 1 << 40}
	for want, answer := range map[error]func(*wire.Writer) error{
		nil:                   func(w *wire.Writer) error { return w.WriteMessage(wire.Message{Payload: wire.ReplyEmpty{}}) },
		ErrNotTold:            func(w *wire.Writer) error { return w.WriteMessage(wire.Message{Payload: wire.Failure{Text: "no"}}) },
		errors.ErrUnsupported: func(*wire.Writer) error { return nil },
	} {
		near, far := net.Pipe()
		for _, c := range []net.Conn{near, far} {
			if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		got := make(chan Counts, 1)
		go func() {
			defer far.Close()
			m, err := wire.NewReader(far).Next()
			if err != nil {
				t.Error(err)
				close(got)
				return
			}
			c, err := ParseCounts(m.Payload.(wire.Private).Body)
			if err != nil {
				t.Error(err)
			}
			got <- c
			if err := answer(wire.NewWriter(far)); err != nil {
				t.Error(err)
			}
		}()
		err := TellCounts(near, told)
		near.Close()
		if want == errors.ErrUnsupported && err == nil || want != errors.ErrUnsupported && !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if d := cmp.Diff(Counts{Served: 3, Broken: maxCount}, <-got); d != "" {
			t.Error(d)
		}
	}
}

func TestCountsAreNotBelieved(t *testing.T) {
	for body, want := range map[string]Counts{
		`{"served":1,"other":7,"limited":0}`: {Served: 1},
		`{"stranger":18446744073709551615}`:  {Stranger: maxCount},
		`null`:                               {},
	} {
		if got, err := ParseCounts([]byte(body)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
	for _, body := range []string{"", "{", `{"served":-1}`, `{"served":1.5}`, `[]`, `{"x":"` + strings.Repeat("x", maxCounts) + `"}`} {
		if _, err := ParseCounts([]byte(body)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}

func FuzzCounts(f *testing.F) {
	f.Add([]byte(`{"served":1,"broken":4294967297}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ParseCounts(body)
		if err != nil {
			return
		}
		if len(c) > len(Outcomes()) {
			t.Errorf("%d kinds", len(c))
		}
		for kind, n := range c {
			if n == 0 || n > maxCount {
				t.Errorf("%d %s", n, kind)
			}
		}
	})
}
