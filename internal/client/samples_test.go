package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// rounds is an albatross-stats that knows the verb "samples": its rounds are of the
// named unikernels, and then it stays silent or ends.
type rounds struct {
	rounds [][]string
	ends   bool
	asked  chan api.SamplesWanted
}

func (r rounds) Answer(p *clienttest.Peer, m wire.Message) wire.Payload {
	command, ok := m.Payload.(wire.Private)
	var wanted api.SamplesWanted
	if !ok || command.Verb != api.VerbSamples || json.Unmarshal(command.Body, &wanted) != nil {
		return p.Refuse(api.Errorf(api.Invalid, "unexpected command"))
	}
	r.asked <- wanted
	p.Send(wire.ReplyPrivate{Body: []byte("{}")})
	for i, names := range r.rounds {
		for _, s := range names {
			n, err := vm.ParseName(s)
			if err != nil {
				return wire.Failure{Text: err.Error()}
			}
			p.SendAs(n, wire.StatsData{Stats: vm.Stats{Rusage: vm.Rusage{MaxRSS: int64(i)}}})
		}
		p.SendAs(vm.Name{}, clienttest.JSON(api.Sampled{At: time.Unix(int64(i), 0).UTC()}))
	}
	if !r.ends {
		_, _ = io.Copy(io.Discard, p.Net)
	}
	return nil
}

// withRounds returns a client of one.
func withRounds(t *testing.T, r *rounds) client.Client {
	r.asked = make(chan api.SamplesWanted, 10)
	c := at(t)
	listen(t, c.Tmp.Stats(), clienttest.Daemon{Name: "albatross-stats", Verbs: []string{api.VerbSamples}, Behaviour: r}.Serve)
	return c
}

// told writes rounds down.
func told(all []client.Round) (lines []string) {
	for _, r := range all {
		line := r.At.UTC().Format("05:")
		for _, s := range r.Samples {
			line += " " + s.Name.String()
		}
		if r.Whole {
			line += "."
		}
		lines = append(lines, line)
	}
	return lines
}

func TestWatch(t *testing.T) {
	r := &rounds{rounds: [][]string{{"www", "sub.db"}, {}, {"www"}, {"never"}}}
	c := withRounds(t, r)
	var got []client.Round
	keep := func(r client.Round) error { got = append(got, r); return nil }
	if err := c.Watch(t.Context(), client.Watching{Name: name(t, "shop."), Every: 2900 * time.Millisecond, Count: 3}, keep); err != nil {
		t.Fatal(err)
	}
	want := []string{"00: shop.www shop.sub.db.", "01:.", "02: shop.www."}
	if diff := cmp.Diff(want, told(got)); diff != "" {
		t.Error(diff)
	}
	if a := <-r.asked; a.Seconds != 2 {
		t.Errorf("asked for every %d s", a.Seconds)
	}
}

// What ends a watch: the context, which is no error where it was to go on for ever,
// the daemon, and what is done with the samples.
func TestWatchEnds(t *testing.T) {
	own := errors.New("mine")
	for _, test := range []struct {
		name  string
		ends  bool
		count int
		each  func(cancel func(), n int) error
		want  error
	}{
		{"by the context", false, 0, func(cancel func(), n int) error { cancel(); return nil }, nil},
		{"by the context, with rounds missing", false, 9, func(cancel func(), n int) error { cancel(); return nil }, context.Canceled},
		{"by the daemon", true, 0, func(func(), int) error { return nil }, client.ErrBroken},
		{"by the caller", false, 0, func(func(), int) error { return own }, own},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := withRounds(t, &rounds{rounds: [][]string{{"www"}}, ends: test.ends})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := 0
			err := c.Watch(ctx, client.Watching{Name: name(t, "."), Count: test.count}, func(client.Round) error {
				n++
				return test.each(cancel, n)
			})
			if !errors.Is(err, test.want) || test.want == nil && err != nil || n != 1 {
				t.Errorf("%d rounds, then %v; want %v", n, err, test.want)
			}
		})
	}
}

// A daemon that cannot be told a period gives samples one by one.
func TestWatchPlain(t *testing.T) {
	eras(t, func(t *testing.T, old bool) {
		c := withSamples(t, old, false, "shop.www", "other", "shop.www", "shop.www", "other", "shop.www")
		for _, test := range []struct {
			of    string
			count int
			want  map[string]int
		}{
			{".", 1, map[string]int{"shop.www": 1, "other": 1}},
			{".", 3, map[string]int{"shop.www": 3, "other": 2}}, // until there is a fourth
			{"shop.www", 2, map[string]int{"shop.www": 2}},
		} {
			got := map[string]int{}
			err := c.Watch(t.Context(), client.Watching{Name: name(t, test.of), Count: test.count}, func(r client.Round) error {
				if len(r.Samples) != 1 || r.Whole || time.Since(r.At) > time.Hour {
					t.Errorf("round %+v", r)
				}
				got[r.Samples[0].Name.String()]++
				return nil
			})
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%s, %d times: %v %s", test.of, test.count, err, diff)
			}
		}
	})
}

func TestWatchPlainIsInterrupted(t *testing.T) {
	c := withSamples(t, true, false, "www")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := c.Watch(ctx, client.Watching{Name: name(t, "."), Count: 2}, func(client.Round) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// sampleOf is a sample of a process that began at a second, has computed for some
// ms, and sent and received bytes on net0.
func sampleOf(began, cpu int64, sent, received int64) client.Sample {
	return client.Sample{Stats: vm.Stats{
		Rusage:     vm.Rusage{UserTime: vm.Timeval{Seconds: cpu / 1000}, SystemTime: vm.Timeval{Microseconds: int(cpu%1000) * 1000}, MaxRSS: 8},
		Memory:     &vm.Memory{RSS: 3, Start: vm.Timeval{Seconds: began}},
		Interfaces: []vm.Interface{{Name: "net0", InBytes: sent, OutBytes: received}},
	}}
}

func TestRates(t *testing.T) {
	then := sampleOf(1, 1500, 100, 1000)
	for _, test := range []struct {
		name  string
		now   client.Sample
		after time.Duration
		want  client.Rates
		ok    bool
	}{
		{"busy", sampleOf(1, 2500, 300, 1500), 2 * time.Second, client.Rates{CPU: 0.5, Sent: 100, Received: 250}, true},
		{"idle", then, time.Second, client.Rates{}, true},
		{"at once", sampleOf(1, 2500, 300, 1500), 0, client.Rates{}, false},
		{"another process", sampleOf(2, 2500, 300, 1500), time.Second, client.Rates{}, false},
		{"a clock that went back", sampleOf(1, 500, 300, 1500), time.Second, client.Rates{}, false},
		{"counters that went back", sampleOf(1, 1500, 0, 0), time.Second, client.Rates{}, true},
	} {
		got, ok := test.now.Since(then, test.after)
		if diff := cmp.Diff(test.want, got); diff != "" || ok != test.ok {
			t.Errorf("%s: %v %s", test.name, ok, diff)
		}
	}
	late := then
	late.Stats.Interfaces = nil // as long as the host cannot tell
	if got, ok := then.Since(late, time.Second); got != (client.Rates{}) || !ok {
		t.Errorf("an interface that was not there before: %+v, %v", got, ok)
	}
	received, sent := then.Traffic()
	if then.Memory() != 3*4096 || then.CPUTime() != 1500*time.Millisecond || received != 1000 || sent != 100 {
		t.Errorf("memory %d, CPU time %v, traffic %d and %d", then.Memory(), then.CPUTime(), received, sent)
	}
	then.Stats.Memory = nil
	if then.Memory() != 8<<10 {
		t.Errorf("memory %d", then.Memory())
	}
}
