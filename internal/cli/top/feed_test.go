package top

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/paths"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// patience is how long anything may take that should come soon.
const patience = 30 * time.Second

// asked is a feed of fake daemons, and what it sent.
type asked struct {
	t    *testing.T
	tmp  paths.Tmp
	feed *feed
	ctx  context.Context
	sent chan any
}

// ask starts a feed. Daemons may be started before and later.
func ask(t *testing.T) *asked {
	t.Helper()
	a := &asked{t: t, tmp: paths.Tmp(testutil.TempDirShort(t)), sent: make(chan any)}
	ctx, cancel := context.WithCancel(t.Context())
	a.ctx = ctx
	a.feed = &feed{client: client.Client{Tmp: a.tmp, Program: "test", Patience: patience}, of: name("."), every: 20 * time.Millisecond, retry: 20 * time.Millisecond}
	a.feed.send = func(message any) {
		select {
		case a.sent <- message:
		case <-ctx.Done():
		}
	}
	t.Cleanup(func() {
		cancel()
		a.feed.wait()
	})
	return a
}

// listen starts a daemon.
func (a *asked) listen(path string, d clienttest.Daemon) *clienttest.Server {
	a.t.Helper()
	s, err := clienttest.Listen(path, d.Serve)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = s.Close() }) // it may be closed already
	return s
}

// until reads messages until there was one of each kind that is wanted, in any order.
func (a *asked) until(wanted ...func(any) bool) {
	a.t.Helper()
	deadline := time.After(patience)
	for len(wanted) > 0 {
		select {
		case m := <-a.sent:
			wanted = slices.DeleteFunc(wanted, func(is func(any) bool) bool { return is(m) })
		case <-deadline:
			a.t.Fatalf("%d of what should come has not within %v", len(wanted), patience)
		}
	}
}

// rounds is an albatross-stats that gives one round to each who asks, and stays
// silent until it is closed.
type rounds struct{}

func (rounds) Answer(p *clienttest.Peer, m wire.Message) wire.Payload {
	c, ok := m.Payload.(wire.Private)
	if !ok || c.Verb != api.VerbSamples || !json.Valid(c.Body) {
		return p.Refuse(api.Errorf(api.Invalid, "unexpected command"))
	}
	p.Send(wire.ReplyPrivate{Body: []byte("{}")})
	p.SendAs(name("www"), wire.StatsData{Stats: vm.Stats{}})
	p.SendAs(vm.Name{}, clienttest.JSON(api.Sampled{At: noon}))
	_, _ = io.Copy(io.Discard, p.Net)
	return nil
}

func statsDaemon() clienttest.Daemon {
	return clienttest.Daemon{Name: "albatross-stats", Verbs: []string{api.VerbSamples}, Behaviour: rounds{}}
}

// Daemons may come and go: what they tell is told as soon as they are there.
func TestFeedOutlivesDaemons(t *testing.T) {
	a := ask(t)
	a.feed.start(a.ctx)
	missing := func(from Source) func(any) bool {
		return func(m any) bool {
			f, ok := m.(Failed)
			return ok && f.From == from && strings.Contains(f.Err.Error(), "does not run") && !f.At.IsZero()
		}
	}
	a.until(missing(FromHost), missing(FromSamples))
	state := func(m any) bool { s, ok := m.(StateTold); return ok && len(s.State.Unikernels) == 5 }
	sampled := func(m any) bool {
		r, ok := m.(RoundTold)
		return ok && r.Round.At.Equal(noon) && len(r.Round.Samples) == 1
	}
	host := a.listen(a.tmp.VMMD(), clienttest.NewHost(some()).Daemon(false))
	stats := a.listen(a.tmp.Stats(), statsDaemon())
	a.until(state, sampled)
	for _, s := range []*clienttest.Server{host, stats} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a.until(missing(FromHost), func(m any) bool { f, ok := m.(Failed); return ok && f.From == FromSamples })
	a.listen(a.tmp.VMMD(), clienttest.NewHost(some()).Daemon(false))
	a.listen(a.tmp.Stats(), statsDaemon())
	a.until(state, sampled, func(m any) bool { _, ok := m.(Clock); return ok })
}

// One stream is followed at a time, and anew when its daemon was away.
func TestFeedFollows(t *testing.T) {
	a := ask(t)
	lines := map[vm.Name][]clienttest.Line{name("www"): {{Time: noon, Text: "one"}, {Time: noon, Text: "two"}}}
	console := a.listen(a.tmp.Console(), clienttest.Consoles{Lines: lines}.Daemon(false))
	of := Stream{Console, name("www"), 1}
	a.feed.follow(a.ctx, of)
	a.feed.follow(a.ctx, of) // which changes nothing
	began := func(m any) bool { b, ok := m.(StreamBegan); return ok && b.Of == of }
	told := func() {
		t.Helper()
		all := 0
		a.until(func(m any) bool {
			if l, ok := m.(ConsoleTold); ok && l.Of == of {
				all += len(l.Lines)
			}
			return all == 2
		})
	}
	a.until(began)
	told()
	if n := console.Connections(); n != 1 {
		t.Errorf("%d connections to the console", n)
	}
	if err := console.Close(); err != nil {
		t.Fatal(err)
	}
	a.until(func(m any) bool { f, ok := m.(Failed); return ok && f.From == FromStream && f.Of == of })
	a.listen(a.tmp.Console(), clienttest.Consoles{Lines: lines}.Daemon(false))
	a.until(began)
	told()
	h := clienttest.NewHost(some())
	h.SetEvents(clienttest.Events{Past: []api.Event{{Sequence: 1, Kind: api.EventStarted, Name: name("www")}}})
	a.listen(a.tmp.VMMD(), h.Daemon(false))
	events := Stream{Events, name("."), 2}
	a.feed.follow(a.ctx, events)
	a.until(func(m any) bool { e, ok := m.(EventsTold); return ok && e.Of == events && len(e.Events) == 1 })
	a.feed.follow(a.ctx, Stream{Serial: 3})
}

// TestOnce has the table as text, of hosts that say which samples belong together
// and of others.
func TestOnce(t *testing.T) {
	samples := clienttest.Samples{}
	for second := range 3 {
		for _, s := range round(10 * second).Round.Samples {
			samples.Samples = append(samples.Samples, wire.Named[vm.Stats]{Name: s.Name, Value: s.Stats})
		}
	}
	for what, stats := range map[string]clienttest.Daemon{
		"our daemon": {Name: "albatross-stats", Verbs: []string{api.VerbSamples}, Behaviour: twoRounds{}},
		"Albatross":  samples.Daemon(true),
	} {
		t.Run(what, func(t *testing.T) {
			a := ask(t)
			a.listen(a.tmp.VMMD(), clienttest.NewHost(some()).Daemon(false))
			a.listen(a.tmp.Stats(), stats)
			var out strings.Builder
			o := Options{Client: a.feed.client, Of: name("."), Every: time.Second, Words: plainWords, Out: &out}
			if err := Once(t.Context(), o, 0); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(out.String(), "\n")
			if len(lines) != 8 || !strings.HasPrefix(lines[0], "NAME ") || !strings.HasPrefix(lines[1], "TOTAL ") || !strings.Contains(out.String(), "shop.web.www  ") {
				t.Errorf("got:\n%s", out.String())
			}
			for _, line := range lines[2:7] {
				if f := strings.Fields(line); f[1] == api.PhaseRunning && f[2] == unknown {
					t.Errorf("it was not measured: %s", line)
				}
			}
		})
	}
}

// twoRounds gives two of them, a second apart.
type twoRounds struct{}

func (twoRounds) Answer(p *clienttest.Peer, _ wire.Message) wire.Payload {
	p.Send(wire.ReplyPrivate{Body: []byte("{}")})
	for second := range 2 {
		r := round(second).Round
		for _, s := range r.Samples {
			p.SendAs(s.Name, wire.StatsData{Stats: s.Stats})
		}
		p.SendAs(vm.Name{}, clienttest.JSON(api.Sampled{At: r.At}))
	}
	_, _ = io.Copy(io.Discard, p.Net)
	return nil
}

// Without daemons, that is told before a terminal is touched.
func TestWithoutDaemons(t *testing.T) {
	a := ask(t)
	o := Options{Client: a.feed.client, Of: name("."), Every: time.Second, Words: plainWords, Out: io.Discard}
	for what, err := range map[string]error{"Run": Run(t.Context(), o), "Once": Once(t.Context(), o, 0)} {
		if err == nil || !strings.Contains(err.Error(), "albatrossd does not run") {
			t.Errorf("%s: %v", what, err)
		}
	}
	a.listen(a.tmp.VMMD(), clienttest.NewHost(some()).Daemon(false))
	if err := Once(t.Context(), o, 0); err == nil || !strings.Contains(err.Error(), "albatross-stats does not run") {
		t.Errorf("Once: %v", err)
	}
}
