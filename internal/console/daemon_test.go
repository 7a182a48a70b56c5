package console

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

func TestHistoryThenLines(t *testing.T) {
	r := start(t)
	u := r.unikernel("a:b:www")
	r.add("a:b:www", 4)
	all := r.subscribe("a:b:www", 100, "subscribed")
	u.print("one\ntwo\n\nthr")
	u.print("ee\n")
	all.expectLines("one", "two", "three") // so the next one subscribes after them
	late := r.subscribe("a:b:www", 2, "subscribed")
	late.expectLines("two", "three")
	before := time.Now().Truncate(time.Millisecond)
	u.print("four\n")
	for _, c := range []*client{all, late} {
		got, h := c.line()
		if got.Line != "four" || got.Time.Before(before) || got.Time.After(time.Now()) {
			t.Errorf("got %v", got)
		}
		if want := (wire.Header{Name: name(t, "a:b:www")}); h != want {
			t.Errorf("a line has header %v, want %v", h, want)
		}
	}
}

func TestHistorySince(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	c := r.subscribe(":x", 0, "subscribed")
	u.print("old\n")
	old, _ := c.line()
	testutil.Eventually(t, patience, func() error { // the clock of lines counts milliseconds
		if time.Since(old.Time) < 2*time.Millisecond {
			return fmt.Errorf("it is still %v", old.Time)
		}
		return nil
	})
	u.print("new\n")
	recent, _ := c.line()
	for since, want := range map[time.Time][]string{
		{}:                       {"old", "new"},
		old.Time:                 {"old", "new"},
		recent.Time:              {"new"},
		recent.Time.Add(1 << 40): {},
	} {
		c := r.dial()
		c.expect(":x", wire.ConsoleSubscribe{Since: &since}, wire.ReplyText{Text: "subscribed"})
		c.expectLines(want...)
		if len(want) == 0 {
			u.print("more\n")
			c.expectLines("more")
		}
	}
}

func TestAnyBytes(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	c := r.subscribe(":x", 0, "subscribed")
	long := strings.Repeat("y", 512)
	u.print("\xff\xfe\x00\x1b[31m\r\n" + long + "\n" + long + "zz\nlast")
	u.exit()
	c.expectLines("\xff\xfe\x00\x1b[31m\r", long, long+" [truncated]", "last")
}

func TestWhoWaitsGetsLines(t *testing.T) {
	r := start(t)
	c := r.subscribe("a:x", 20, "waiting for VM")
	u := r.unikernel("a:x")
	r.add("a:x", 1)
	u.print("hello\n")
	c.expectLines("hello")
	r.subscribe("a:x", 20, "subscribed").expectLines("hello")
}

// Who asks for names that never come leaves nothing behind.
func TestWaitingIsForgotten(t *testing.T) {
	r := start(t)
	for i := range 20 {
		_ = r.subscribe(fmt.Sprintf(":x%d", i), 1, "waiting for VM").Close()
	}
	testutil.Eventually(t, patience, func() error {
		r.daemon.mu.Lock()
		defer r.daemon.mu.Unlock()
		if n := len(r.daemon.consoles); n > 0 {
			return fmt.Errorf("%d consoles are known", n)
		}
		return nil
	})
}

func TestInactiveAndBack(t *testing.T) {
	r := start(t)
	r.expectInactive(":")
	u := r.unikernel("a:b:x")
	r.add("a:b:x", 1)
	r.expectInactive(":")
	u.print("first life\n")
	u.exit()
	r.expectInactive(":", "a:b:x")
	r.expectInactive("a:", "b:x")
	r.expectInactive("a:b:", ":x")
	r.expectInactive("b:")
	follower := r.subscribe("a:b:x", 20, "subscribed")
	follower.expectLines("first life")

	u = r.unikernel("a:b:x")
	r.add("a:b:x", 1)
	r.expectInactive(":")
	u.print("second life\n")
	follower.expectLines("second life")
	r.subscribe("a:b:x", 20, "subscribed").expectLines("first life", "second life")
}

// Albatross 2.7 opens the FIFO for writing after the console has answered.
func TestReaderBeforeWriter(t *testing.T) {
	r := start(t)
	r.unikernel(":x").exit() // leaves the FIFO
	r.add(":x", 1)
	c := r.subscribe(":x", 0, "subscribed")
	u := r.unikernel(":x")
	u.print("hello\n")
	c.expectLines("hello")
	u.exit()
	r.expectInactive(":", ":x")
}

// What was written before the console was added is not lost.
func TestWriterBeforeReader(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	u.print(numbered(0, 500))
	r.add(":x", 1)
	c := r.subscribe(":x", 1000, "subscribed")
	c.expectLines(strings.Split(strings.TrimSpace(numbered(0, 500)), "\n")...)
}

// albatrossd adds all consoles again when it finds this daemon restarted, or
// itself.
func TestAddAgain(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	c := r.subscribe(":x", 0, "waiting for VM")
	for i := range 20 {
		r.add(":x", 1)
		line := fmt.Sprint("line ", i)
		u.print(line + "\n")
		c.expectLines(line)
	}
	u.exit()
	r.expectInactive(":", ":x")
}

// An add that comes while the end of the one before is being seen is not lost.
func TestAddDuringExit(t *testing.T) {
	r := start(t)
	c := r.subscribe(":x", 0, "waiting for VM")
	for i := range 200 {
		u := r.unikernel(":x")
		r.add(":x", 1)
		line := fmt.Sprint("line ", i)
		u.print(line + "\n")
		u.exit()
		c.expectLines(line)
	}
	r.expectInactive(":", ":x")
}

func TestReplacedFIFO(t *testing.T) {
	r := start(t)
	c := r.subscribe(":x", 0, "waiting for VM")
	old := r.unikernel(":x")
	r.add(":x", 1)
	for i := range 10 {
		old.print(numbered(0, 100) + "unfinished")
		r.removeFIFO(":x")
		fresh := r.unikernel(":x")
		fresh.print(fmt.Sprintf("life %d\n", i))
		r.add(":x", 1)
		c.expectLines(strings.Split(strings.TrimSpace(numbered(0, 100)), "\n")...)
		c.expectLines("unfinished", fmt.Sprintf("life %d", i))
		if i%2 == 0 {
			old.exit() // in the other turns it stays open and must not matter
		}
		old = fresh
	}
	old.exit()
	r.expectInactive(":", ":x")
}

func TestRingsOfAPath(t *testing.T) {
	r := start(t)
	keep := r.unikernel("p:keep")
	r.add("p:keep", 2)
	other := r.unikernel("q:other") // of another path: does not count
	r.add("q:other", 1)
	other.exit()
	for i, want := range []string{"p:x0", "p:x1", "p:x2"} {
		u := r.unikernel(want)
		r.add(want, 2) // with keep there are two: the one before goes
		u.print("hello\n")
		u.exit()
		r.expectInactive(":", want, "q:other")
		if i == 0 {
			continue
		}
		r.subscribe(fmt.Sprintf("p:x%d", i-1), 20, "waiting for VM")
	}
	keep.print("still here\n")
	r.subscribe("p:keep", 0, "subscribed")
}

// Who follows a console that goes is told by the end of the connection.
func TestFollowerOfAnEvictedConsole(t *testing.T) {
	r := start(t)
	u := r.unikernel("p:x")
	r.add("p:x", 1)
	c := r.subscribe("p:x", 1, "subscribed")
	u.exit()
	r.expectInactive(":", "p:x")
	r.unikernel("p:y")
	r.add("p:y", 1)
	c.expectEnd()
}

func TestAllInactiveConsolesAreLimited(t *testing.T) {
	r := newRig(t)
	limits := DefaultLimits()
	limits.Inactive = 2
	r.serve(limits)
	for _, n := range []string{":d", ":c", ":b", ":a"} {
		u := r.unikernel(n)
		r.add(n, 1<<62-1)
		u.exit()
		testutil.Eventually(t, patience, func() error {
			r.daemon.mu.Lock()
			defer r.daemon.mu.Unlock()
			if r.daemon.consoles[name(t, n)].active() {
				return fmt.Errorf("%s is active", n)
			}
			return nil
		})
	}
	r.unikernel(":new")
	r.add(":new", 1<<62-1)
	r.expectInactive(":", ":a", ":b") // :c and :d had been so for longer
}

func TestSubscribersOfAConsoleAreLimited(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	var clients []*client
	for range 5 {
		clients = append(clients, r.subscribe(":x", 0, "subscribed"))
	}
	u.print("one\n")
	for _, c := range clients {
		c.expectLines("one")
	}
	clients = append(clients, r.subscribe(":x", 0, "subscribed"))
	clients[0].expectEnd()
	u.print("two\n")
	for _, c := range clients[1:] {
		c.expectLines("two")
	}
}

// Those who have gone do not count.
func TestSubscribersWhoLeave(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	stays := r.subscribe(":x", 0, "subscribed")
	for range 20 {
		_ = r.subscribe(":x", 0, "subscribed").Close()
		r.awaitReaders(1)
	}
	u.print("one\n")
	stays.expectLines("one")
}

// awaitReaders waits until so many clients read.
func (r *rig) awaitReaders(n int) {
	r.t.Helper()
	testutil.Eventually(r.t, patience, func() error {
		r.daemon.mu.Lock()
		defer r.daemon.mu.Unlock()
		if got := r.daemon.readers; got != n {
			return fmt.Errorf("%d clients read, want %d", got, n)
		}
		return nil
	})
}

// A subscriber that gives way leaves at once, though it does not read.
func TestStuckSubscriberGivesWay(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	r.subscribe(":x", 0, "subscribed")
	u.print(numbered(0, 100_000)) // more than its socket holds
	for range DefaultLimits().Subscribers {
		r.subscribe(":x", 0, "subscribed")
	}
	r.awaitReaders(DefaultLimits().Subscribers)
}

// A subscriber may take nothing for as long as it may, and then goes.
func TestPatienceWithSubscribers(t *testing.T) {
	r := newRig(t)
	limits := DefaultLimits()
	limits.Patience = 100 * time.Millisecond
	r.serve(limits)
	u := r.unikernel(":x")
	r.add(":x", 1)
	r.subscribe(":x", 0, "subscribed")
	r.subscribe(":silent", 0, "waiting for VM") // has all that there is
	u.print(numbered(0, 100_000))
	r.awaitReaders(1)
}

// Clients that read cannot take all connections: others are heard, and those that read
// are told when there are too many.
func TestClientsAreLimited(t *testing.T) {
	r := newRig(t)
	limits := DefaultLimits()
	limits.Clients = 8
	r.serve(limits)
	var all []*client
	for i := range limits.Clients {
		all = append(all, r.subscribe(fmt.Sprintf(":x%d", i), 0, "waiting for VM"))
	}
	for range 2 * otherConns {
		got := r.dial().ask(":y", wire.ConsoleSubscribe{})
		if want := (wire.Failure{Text: "8 clients read consoles already"}); got != want {
			t.Fatalf("one more gets %v, want %v", got, want)
		}
	}
	u := r.unikernel(":x7")
	r.add(":x7", 1)
	u.print("hello\n")
	all[7].expectLines("hello")
	c := r.dial().greet()
	for _, verb := range []string{api.VerbHistory, api.VerbConsoles} {
		body := wire.Private{Verb: verb, Body: []byte("{}")}
		n := map[string]string{api.VerbHistory: ":x7", api.VerbConsoles: ":"}[verb]
		if got, ok := c.ask(n, body).(wire.Problem); !ok || got.Code != string(api.Unavailable) || got.Hint == nil {
			t.Errorf("%s: %v", verb, got)
		}
		c = r.dial().greet()
	}
	_ = all[0].Close()
	r.awaitReaders(limits.Clients - 1)
	r.subscribe(":y", 0, "waiting for VM")
}

// What is written while no daemon runs is there for the next one.
func TestRestartOfTheDaemon(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	follower := r.subscribe(":x", 0, "subscribed")
	u.print("before\n")
	follower.expectLines("before")
	r.stop()
	follower.expectEnd()
	u.print(numbered(0, 1000))
	r.serve(DefaultLimits())
	r.add(":x", 1)
	r.subscribe(":x", 1024, "subscribed").expectLines(strings.Split(strings.TrimSpace(numbered(0, 1000)), "\n")...)
}

func TestManyConsoles(t *testing.T) {
	r := start(t)
	var wg sync.WaitGroup
	for i := range 200 {
		n := fmt.Sprintf("p%d:x", i%7)
		if i >= 7 {
			n = fmt.Sprintf("p%d:x%d", i%7, i)
		}
		u := r.unikernel(n)
		r.add(n, 100)
		c := r.subscribe(n, 0, "subscribed")
		wg.Go(func() {
			for j := range 20 {
				line := fmt.Sprintf("%s %d", n, j)
				u.print(line + "\n")
				if m, err := c.in.Next(); err != nil || m.Payload.(wire.ConsoleData).Line != line {
					t.Errorf("got %v, %v; want %q", m, err, line)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestAddRefuses(t *testing.T) {
	r := start(t)
	fifo := func(n string) string { return r.tmp.FIFO(name(t, n)) }
	if err := os.WriteFile(fifo(":file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.unikernel(":real")
	if err := os.Symlink(fifo(":real"), fifo(":link")); err != nil {
		t.Fatal(err)
	}
	c := r.dial() // one connection takes all of them
	for n, want := range map[string]string{
		":missing": "the console of missing has no FIFO",
		":file":    "the console of file is no FIFO",
		":link":    "the console of link is no FIFO",
	} {
		got, ok := c.ask(n, wire.ConsoleAdd{Unikernels: 1}).(wire.Failure)
		if !ok || !strings.HasPrefix(got.Text, want) {
			t.Errorf("add %s: %v, want a failure that begins with %q", n, got, want)
		}
	}
	c.expect(":real", wire.ConsoleAdd{}, wire.ReplyEmpty{})
}
