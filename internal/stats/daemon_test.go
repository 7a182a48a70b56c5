package stats

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

func TestSamples(t *testing.T) {
	r := start(t)
	r.add("a:b:x", os.Getpid(), wire.Tap{Interface: "net0", Tap: "lo"}, wire.Tap{Interface: "net1", Tap: "nosuch"}, wire.Tap{Interface: "net2", Tap: "lo"})
	c := r.subscribe("a:b:x")
	for range 3 {
		n, s := c.sample()
		if n != ":x" {
			t.Errorf("sample of %s", n)
		}
		if len(s.Interfaces) != 2 || s.Interfaces[0].Name != "net0" || s.Interfaces[1].Name != "net2" || s.Interfaces[0].MTU == 0 {
			t.Errorf("interfaces: %+v", s.Interfaces)
		}
		if s.Memory == nil || s.Memory.RSS == 0 || s.Rusage.MinorFaults == 0 || s.Counters != nil {
			t.Errorf("sample %+v, memory %+v", s, s.Memory)
		}
	}
}

// Who subscribes to a path gets what is below it, and nothing else, by names
// relative to it.
func TestNamesAreRelative(t *testing.T) {
	r := start(t)
	all := []string{":x", "a:x", "a:b:x", "a:b:y", "ab:x"}
	for _, n := range all {
		r.add(n, os.Getpid())
	}
	for path, want := range map[string]map[string]bool{
		":":     {":x": true, "a:x": true, "a:b:x": true, "a:b:y": true, "ab:x": true},
		"a:":    {":x": true, "b:x": true, "b:y": true},
		"a:b:":  {":x": true, ":y": true},
		"a:b:y": {":y": true},
		":x":    {":x": true},
	} {
		c := r.subscribe(path)
		got := map[string]bool{}
		for range 2 * len(want) { // two ticks
			n, _ := c.sample()
			got[n] = true
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func TestSecondSubscriberEndsTheFirst(t *testing.T) {
	r := start(t)
	r.add("a:x", os.Getpid())
	first, other := r.subscribe("a:x"), r.subscribe("a:")
	second := r.subscribe("a:x")
	first.expectEnd()
	for range 3 {
		second.sample()
		other.sample()
	}
	r.expectKnown(1, 2)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	r.expectKnown(1, 1)
}

// A target is forgotten when its process ends, whether anybody looks or not.
func TestEndedProcess(t *testing.T) {
	r := start(t)
	watched, unwatched := process(t), process(t)
	r.add(":watched", watched.Process.Pid)
	r.add(":unwatched", unwatched.Process.Pid)
	c := r.subscribe(":watched")
	c.sample()
	end(watched)
	end(unwatched)
	r.expectKnown(0, 1)
	// The same name may be added again, and its subscriber is still there.
	r.add(":watched", os.Getpid(), wire.Tap{Interface: "again", Tap: "lo"})
	for again := false; !again; {
		_, s := c.sample() // the first may be one of before
		again = len(s.Interfaces) == 1
	}
}

func TestAddOfNothingReplacesWhatWasThere(t *testing.T) {
	r := startAt(t, time.Hour)
	r.add(":x", os.Getpid())
	r.expectKnown(1, 0)
	for _, pid := range []int{0, 1 << 30} {
		r.add(":x", pid)
		r.expectKnown(0, 0)
	}
}

func TestAddReplaces(t *testing.T) {
	r := start(t)
	r.add(":x", process(t).Process.Pid, wire.Tap{Interface: "old", Tap: "lo"})
	c := r.subscribe(":x")
	c.sample()
	r.add(":x", os.Getpid(), wire.Tap{Interface: "new", Tap: "lo"})
	testutil.Eventually(t, patience, func() error {
		if _, s := c.sample(); len(s.Interfaces) != 1 || s.Interfaces[0].Name != "new" {
			return fmt.Errorf("got %+v", s.Interfaces)
		}
		return nil
	})
	r.expectKnown(1, 1)
}

// One connection may add and remove many.
func TestAddAndRemove(t *testing.T) {
	r := startAt(t, time.Hour)
	c := r.dial()
	added, removed := wire.ReplyText{Text: "added"}, wire.ReplyText{Text: "removed"}
	c.expect(":x", wire.StatsAdd{PID: os.Getpid()}, added)
	c.expect(":", wire.StatsAdd{PID: os.Getpid(), VMMDevice: "vmm0"}, added)
	c.expect("a:x", wire.StatsAdd{PID: os.Getpid()}, added)
	r.expectKnown(3, 0)
	c.expect(":x", wire.StatsRemove{}, removed)
	c.expect(":x", wire.StatsRemove{}, removed)
	c.expect(":y", wire.StatsRemove{}, removed)
	r.expectKnown(2, 0)
}

func TestForeignCommands(t *testing.T) {
	r := start(t)
	for _, test := range []struct {
		p    wire.Payload
		want string
	}{
		{wire.StatsInitial{}, "unexpected message initial"},
		{wire.PolicyInfo{}, "unexpected command"},
		{wire.ConsoleSubscribe{}, "unexpected command"},
		{wire.ReplyEmpty{}, "unexpected command"},
		{wire.StatsData{}, "unexpected command"},
	} {
		c := r.dial()
		c.expect(":x", test.p, wire.Failure{Text: test.want})
		c.expectEnd()
	}
}

// A subscriber that sends anything has seen enough.
func TestSubscriberThatSpeaks(t *testing.T) {
	r := start(t)
	c := r.subscribe(":x")
	c.send(wire.Message{Payload: wire.StatsSubscribe{}})
	c.expectEnd()
	r.expectKnown(0, 0)
}

func TestHello(t *testing.T) {
	c := start(t).dial()
	hello, err := json.Marshal(api.Hello{Client: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c.send(wire.Message{Payload: wire.Private{Verb: api.VerbHello, Body: hello}})
	reply, ok := c.next().Payload.(wire.ReplyPrivate)
	var welcome api.Welcome
	if err := json.Unmarshal(reply.Body, &welcome); err != nil || !ok || welcome.Daemon != "albatross-stats" {
		t.Errorf("welcome: %s, %v", reply.Body, err)
	}
	c.expect(":x", wire.StatsInitial{}, wire.Problem{Code: string(api.Invalid), Sentence: "unexpected message initial"})
}

// A subscriber that does not read delays nobody.
func TestSlowSubscriber(t *testing.T) {
	r := start(t)
	pid := process(t).Process.Pid
	for i := range 200 {
		r.add(fmt.Sprintf("a:x%d", i), pid)
	}
	slow, fast := r.subscribe(":"), r.subscribe("a:x7")
	for range 50 { // some 4 MB for the slow one, more than a socket takes
		fast.sample()
	}
	// It gets whole samples, of later ticks.
	for range 1000 {
		slow.sample()
	}
}

func TestLimits(t *testing.T) {
	r := startAt(t, time.Hour)
	taps := make([]wire.Tap, 100)
	for i := range taps {
		taps[i] = wire.Tap{Interface: fmt.Sprint("net", i), Tap: "lo"}
	}
	taps[0].Tap, taps[1].Tap, taps[2].Interface = "", "sixteen-bytes-16", string(make([]byte, maxInterface+1))
	r.add(":x", os.Getpid(), taps...)
	r.daemon.mu.Lock()
	got := r.daemon.targets[name(t, ":x")].taps
	for i := range maxTargets - 1 { // as many as there may be, without asking for each
		n := name(t, fmt.Sprint(":y", i))
		r.daemon.targets[n] = r.daemon.targets[name(t, ":x")]
	}
	r.daemon.mu.Unlock()
	if len(got) != maxTaps || got[0].Interface != "net3" {
		t.Errorf("%d taps are left, the first is %v", len(got), got[0])
	}
	r.add(":x", os.Getpid()) // takes the place of another one
	want := wire.Failure{Text: "there are 8192 processes to sample, no more are possible"}
	r.dial().expect(":z", wire.StatsAdd{PID: os.Getpid()}, want)
}
