package stats

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// hello introduces c.
func (c *client) hello() {
	c.t.Helper()
	c.send(wire.Message{Payload: wire.Private{Verb: api.VerbHello, Body: []byte(`{"client": "test"}`)}})
	if _, ok := c.next().Payload.(wire.ReplyPrivate); !ok {
		c.t.Fatal("no welcome")
	}
}

// watch returns a client that gets samples every so many seconds.
func (r *rig) watch(n string, seconds int) *client {
	r.t.Helper()
	c := r.dial()
	c.hello()
	c.expect(n, wire.Private{Verb: api.VerbSamples, Body: fmt.Appendf(nil, `{"seconds": %d}`, seconds)}, wire.ReplyPrivate{Body: []byte("{}")})
	return c
}

// round returns the samples up to the next mark, by name, and when they were taken.
func (c *client) round() (samples map[string]vm.Stats, at time.Time) {
	c.t.Helper()
	samples = map[string]vm.Stats{}
	for {
		m := c.next()
		switch p := m.Payload.(type) {
		case wire.StatsData:
			if _, twice := samples[m.Name.Wire()]; twice {
				c.t.Errorf("%s comes twice in a round", m.Name)
			}
			samples[m.Name.Wire()] = p.Stats
			continue
		case wire.ReplyPrivate:
			var end api.Sampled
			if err := json.Unmarshal(p.Body, &end); err != nil {
				c.t.Fatal(err)
			}
			return samples, end.At
		}
		c.t.Fatalf("got %v", m)
	}
}

// Watchers get samples at their own pace, whatever the daemon's is, and neither
// other watchers nor subscribers of the same name end them.
func TestWatchers(t *testing.T) {
	r := startAt(t, time.Hour)
	for _, n := range []string{":x", "a:x", "a:b:y"} {
		r.add(n, os.Getpid(), wire.Tap{Interface: "net0", Tap: "lo"})
	}
	first, second, quiet := r.watch("a:", 1), r.watch("a:", 1), r.subscribe("a:")
	for range 2 {
		for _, c := range []*client{first, second} {
			samples, at := c.round()
			if len(samples) != 2 || len(samples[":x"].Interfaces) != 1 || samples["b:y"].Memory == nil {
				t.Errorf("samples %+v", samples)
			}
			if age := time.Since(at); age < 0 || age > time.Hour {
				t.Errorf("a round of %v", at)
			}
		}
	}
	r.expectKnown(3, 1)
	if err := quiet.Close(); err != nil {
		t.Fatal(err)
	}
	r.expectKnown(3, 0)
	r.expectWatchers(2)
	for _, c := range []*client{first, second} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.expectWatchers(0)
}

// expectWatchers waits until there are so many.
func (r *rig) expectWatchers(want int) {
	r.t.Helper()
	testutil.Eventually(r.t, patience, func() error {
		r.daemon.mu.Lock()
		defer r.daemon.mu.Unlock()
		if got := len(r.daemon.watchers); got != want {
			return fmt.Errorf("%d watchers, want %d", got, want)
		}
		return nil
	})
}

// Rounds go on where nothing runs, so that a watcher knows that the daemon lives,
// and what starts or ends meanwhile comes and goes.
func TestWatchersSeeWhatComesAndGoes(t *testing.T) {
	r := startAt(t, time.Hour)
	c := r.watch("a:x", 0)
	if samples, _ := c.round(); len(samples) != 0 {
		t.Errorf("samples of nothing: %+v", samples)
	}
	p := process(t)
	r.add("a:x", p.Process.Pid)
	c.await(1)
	end(p)
	c.await(0)
}

// await reads rounds until one has so many samples.
func (c *client) await(want int) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		samples, _ := c.round()
		if len(samples) == want {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("still %d samples, not %d", len(samples), want)
		}
	}
}

func TestWatchersThatAskNonsense(t *testing.T) {
	c := startAt(t, time.Hour).dial()
	c.hello()
	c.send(wire.Message{Payload: wire.Private{Verb: api.VerbSamples, Body: []byte(`{"seconds": "two"}`)}})
	if p, ok := c.next().Payload.(wire.Problem); !ok || p.Code != string(api.Invalid) {
		t.Errorf("got %+v", p)
	}
	c.expectEnd()
}

// The first samples come with the next second, later ones when the period says.
func TestDue(t *testing.T) {
	r := startAt(t, time.Hour)
	d := New(r.daemon.log, r.tmp, time.Hour) // whose clock is this test
	want := map[int][]int{1: {0, 1, 2, 3, 4}, 3: {0, 3}, api.MostSeconds: {0}}
	seconds := map[*subscriber]int{}
	for asked, taken := range map[int]int{-5: 1, 3: 3, 1 << 40: api.MostSeconds} {
		seconds[&d.addWatcher(name(t, "a:"), asked).subscriber] = taken
	}
	got := map[int][]int{}
	for second := range 5 {
		due, _ := d.due(second)
		for _, s := range due {
			got[seconds[s]] = append(got[seconds[s]], second)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A watcher that does not read delays nobody, and gets whole rounds.
func TestSlowWatcher(t *testing.T) {
	r := startAt(t, time.Hour)
	pid := process(t).Process.Pid
	const many = 200
	for i := range many {
		r.add(fmt.Sprintf("a:x%d", i), pid)
	}
	slow, fast := r.watch(":", 1), r.watch("a:x7", 1)
	for range 50 {
		fast.round()
	}
	for range 20 {
		if samples, _ := slow.round(); len(samples) != many {
			t.Fatalf("%d samples in a round", len(samples))
		}
	}
}

// BenchmarkThousandWatched samples a thousand unikernels for one who watches all.
func BenchmarkThousandWatched(b *testing.B) {
	d := fleet(b)
	w := d.addWatcher(vm.Name{}, 1)
	measure(b, func() { d.watch(0) })
	if batch := <-w.batches; len(batch) != thousand+1 {
		b.Errorf("%d messages", len(batch))
	}
}
