package stats

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// exchange is one connection to the statistics daemon of Albatross 2.7.2.
type exchange struct {
	id      int
	request wire.Message
	replies []wire.Message
}

func recorded(t *testing.T) (all []exchange) {
	t.Helper()
	f, err := os.Open("../wire/testdata/av5.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	parse := func(frame string) wire.Message {
		b, err := hex.DecodeString(frame)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			ID             int
			Socket         string
			Request, Reply []string
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Socket != "stat" {
			continue
		}
		x := exchange{id: e.ID, request: parse(e.Request[0])}
		for _, frame := range e.Reply {
			x.replies = append(x.replies, parse(frame))
		}
		all = append(all, x)
	}
	if lines.Err() != nil || len(all) == 0 {
		t.Fatalf("%d exchanges were recorded, %v", len(all), lines.Err())
	}
	return all
}

// plain makes two samples of different processes equal: their form is left.
func plain(m wire.Message) wire.Message {
	data, ok := m.Payload.(wire.StatsData)
	if !ok {
		return m
	}
	form := vm.Stats{Counters: data.Stats.Counters}
	for _, i := range data.Stats.Interfaces {
		form.Interfaces = append(form.Interfaces, vm.Interface{Name: i.Name})
	}
	if data.Stats.Memory != nil {
		form.Memory = &vm.Memory{}
	}
	m.Payload = wire.StatsData{Stats: form}
	return m
}

// The recorded requests get the recorded replies while the unikernel runs that
// was running then.
func TestRecordedExchanges(t *testing.T) {
	r := start(t)
	r.add(":run2", process(t).Process.Pid, wire.Tap{Interface: "service0", Tap: "lo"})
	for _, x := range recorded(t) {
		c := r.dial()
		c.send(x.request)
		for i, want := range x.replies {
			if diff := cmp.Diff(plain(want), plain(c.next()), sameName); diff != "" {
				t.Errorf("exchange %d: reply %d: %s", x.id, i, diff)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
