package endpoint

import (
	"errors"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"albatross/internal/behalf"
	"albatross/internal/testutil"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// ticking is a clock that is later whenever somebody looks at it.
type ticking struct{ looks atomic.Int64 }

func (c *ticking) now() time.Time {
	return time.Now().Add(time.Duration(c.looks.Add(1)) * lookPause / 100)
}

// counted is an albatrossd that takes counts, and refuses them while it is told to.
type counted struct {
	mu     sync.Mutex
	total  behalf.Counts
	refuse bool
}

func (d *counted) serve(t testing.TB, socket string) {
	t.Helper()
	l := must(net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"}))(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			d.one(t, c)
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
}

func (d *counted) one(t testing.TB, c *net.UnixConn) {
	_ = c.SetDeadline(time.Now().Add(patience))
	m, err := wire.NewReader(c).Next()
	p, ok := m.Payload.(wire.Private)
	if err != nil || !ok {
		t.Errorf("%+v, %v", m, err)
		return
	}
	if p.Verb != behalf.VerbCounts {
		return // a client
	}
	counts, err := behalf.ParseCounts(p.Body)
	if err != nil {
		t.Error(err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse {
		return
	}
	d.total.Add(counts)
	_ = wire.NewWriter(c).WriteMessage(wire.Message{Payload: wire.ReplyEmpty{}})
}

func (d *counted) now() behalf.Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.total)
}

// TestCountsAreTold has connections of all kinds, and each of them told once, even
// where albatrossd does not take it at first.
func TestCountsAreTold(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.PerLeaf = 1 })
	stranger := selfSigned(t)
	wantAlert(t, dial(t, w.address, &stranger), "bad certificate")
	raw := stalled(t, w.address)
	if _, err := raw.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, raw)
	wantAnswer(t, w.dial(w.info()), "alice:web:shop", "albatrossd does not serve remote clients")
	want := behalf.Counts{behalf.Stranger: 1, behalf.Broken: 1, behalf.Unavailable: 1}
	w.counted(want)
	w.server.tell() // nobody is there

	d := &counted{total: behalf.Counts{}, refuse: true}
	d.serve(t, w.tmp.Remote())
	w.server.tell() // nobody takes it
	d.mu.Lock()
	d.refuse = false
	d.mu.Unlock()
	c := w.dial(w.info())
	wantClosed(t, c)
	want[behalf.Served] = 1
	w.counted(want)
	w.server.tell()
	if diff := cmp.Diff(want, d.now()); diff != "" {
		t.Error(diff)
	}
	wantAlert(t, dial(t, w.address, &stranger), "bad certificate")
	want[behalf.Stranger]++
	if err := w.stop(); err != nil { // which tells what is left
		t.Error(err)
	}
	if diff := cmp.Diff(want, d.now()); diff != "" {
		t.Error(diff)
	}
}

// counted waits until these counts are there to be told.
func (w *world) counted(want behalf.Counts) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		have := w.server.tally.untold()
		if have != nil {
			w.server.tally.keep(have)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// TestStrangersCannotFillTheLog turns away more than have lines, and tells the sum.
func TestStrangersCannotFillTheLog(t *testing.T) {
	s := newSite(t)
	p := s.listening(t, build(t, false))
	const many = loudest + 30
	for range many {
		stranger := selfSigned(t)
		wantAlert(t, dial(t, p.address, &stranger), "bad certificate")
		c := stalled(t, p.address)
		if _, err := c.Write([]byte("nonsense that is no TLS")); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, c)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, patience, func() error {
		if !strings.Contains(p.log.String(), "turned clients away, more than have lines here") {
			return errors.New("the sum is not told")
		}
		return nil
	})
	log := p.log.String()
	if n := strings.Count(log, "client refused"); n != loudest {
		t.Errorf("%d refusals have lines, want %d", n, loudest)
	}
	if n := strings.Count(log, "\n"); n > 2*loudest+10 {
		t.Errorf("the log has %d lines", n)
	}
	for _, sum := range []string{"broken=50", "stranger=50"} {
		if !strings.Contains(log, sum) {
			t.Errorf("the log has no %s", sum)
		}
	}
}
