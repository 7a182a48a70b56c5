package console

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	gocmp "github.com/google/go-cmp/cmp"
)

// exchange is one connection to the console daemon of Albatross 2.7.2.
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
		if e.Socket != "console" {
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

// plain makes two answers to the same question equal: lines have other
// times here, and lists of names no order.
func plain(m wire.Message) wire.Message {
	switch p := m.Payload.(type) {
	case wire.ConsoleData:
		p.Time = time.Time{}
		m.Payload = p
	case wire.ReplyConsoles:
		p.Names = slices.SortedFunc(slices.Values(p.Names), func(a, b vm.Name) int { return cmp.Compare(a.Wire(), b.Wire()) })
		m.Payload = p
	}
	return m
}

// The recorded requests get the recorded replies if the same unikernels have
// printed the same lines before.
func TestRecordedExchanges(t *testing.T) {
	r := start(t)
	all := recorded(t)
	for _, n := range []string{":run", ":h1"} { // those that the recording found inactive
		u := r.unikernel(n)
		r.add(n, 1<<62-1)
		if n == ":run" {
			u.print(printed(t, all))
		}
		u.exit()
	}
	r.expectInactive(":", ":h1", ":run")
	for _, x := range all {
		c := r.dial()
		if err := c.out.WriteMessage(x.request); err != nil {
			t.Fatal(err)
		}
		for i, want := range x.replies {
			got, err := c.in.Next()
			if err != nil {
				t.Fatalf("exchange %d: reply %d: %v", x.id, i, err)
			}
			if diff := gocmp.Diff(plain(want), plain(got), gocmp.Comparer(func(a, b vm.Name) bool { return a == b })); diff != "" {
				t.Errorf("exchange %d: reply %d: %s", x.id, i, diff)
			}
		}
	}
}

// printed returns all that the unikernel of the recording had printed: the
// longest answer has it.
func printed(t *testing.T, all []exchange) string {
	t.Helper()
	longest := slices.MaxFunc(all, func(a, b exchange) int { return cmp.Compare(len(a.replies), len(b.replies)) })
	var b strings.Builder
	for _, m := range longest.replies {
		if data, ok := m.Payload.(wire.ConsoleData); ok {
			b.WriteString(data.Line + "\n")
		}
	}
	if b.Len() == 0 {
		t.Fatal("no line was recorded")
	}
	return b.String()
}

func TestNamesAndPaths(t *testing.T) {
	r := start(t)
	for _, test := range []struct {
		name    string
		command wire.Command
		want    string
	}{
		{"a:", wire.ConsoleAdd{}, "path used instead of name"},
		{":", wire.ConsoleSubscribe{}, "path used instead of name"},
		{"a:x", wire.ConsoleListInactive{}, "name used"},
	} {
		c := r.dial()
		c.expect(test.name, test.command, wire.Failure{Text: test.want})
		c.expectEnd()
	}
}

func TestForeignCommands(t *testing.T) {
	r := start(t)
	for _, p := range []wire.Payload{wire.PolicyInfo{}, wire.StatsSubscribe{}, wire.ReplyEmpty{}, wire.ConsoleData{Time: time.Now()}} {
		c := r.dial()
		if err := c.out.WriteMessage(wire.Message{Header: wire.Header{Name: name(t, ":x")}, Payload: p}); err != nil {
			t.Fatal(err)
		}
		c.expectEnd()
	}
}

// A subscriber that sends anything has seen enough.
func TestSubscriberThatSpeaks(t *testing.T) {
	r := start(t)
	c := r.subscribe(":x", 1, "waiting for VM")
	if err := c.out.WriteMessage(wire.Message{Payload: wire.ConsoleListInactive{}}); err != nil {
		t.Fatal(err)
	}
	c.expectEnd()
}

func TestProblemAfterHello(t *testing.T) {
	c := start(t).dial()
	hello, err := json.Marshal(api.Hello{Client: "test"})
	if err != nil {
		t.Fatal(err)
	}
	reply, ok := c.ask(":", wire.Private{Verb: api.VerbHello, Body: hello}).(wire.ReplyPrivate)
	var welcome api.Welcome
	if err := json.Unmarshal(reply.Body, &welcome); err != nil || !ok || welcome.Daemon != "albatross-console" {
		t.Errorf("welcome: %s, %v", reply.Body, err)
	}
	if p, ok := c.ask(":x", wire.ConsoleAdd{}).(wire.Problem); !ok || p.Code != string(api.NotFound) {
		t.Errorf("add of nothing: %v", p)
	}
}

// TestHistoryVerb asks for lines and their end, of a console that is there and
// of one that is not, and goes without what makes no sense.
func TestHistoryVerb(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	u.print("one\ntwo\nthree\n")
	r.subscribe(":x", 3, "subscribed").expectLines("one", "two", "three")
	for _, tt := range []struct {
		name, body string
		lines      []string
		end        string
	}{
		{":x", `{"count":2}`, []string{"two", "three"}, `{"known":true}`},
		{":x", `{"since":"2020-01-02T03:04:05Z"}`, []string{"one", "two", "three"}, `{"known":true}`},
		{":x", `{}`, nil, `{"known":true}`},
		{":x", `{"count":-1}`, nil, `{"known":true}`},
		{":y", `{"count":2}`, nil, `{"known":false}`},
	} {
		c := r.dial()
		h := wire.Header{Sequence: 3, Name: name(t, tt.name)}
		m := wire.Message{Header: h, Payload: wire.Private{Verb: api.VerbHistory, Body: []byte(tt.body)}}
		if err := c.out.WriteMessage(m); err != nil {
			t.Fatal(err)
		}
		c.expectLines(tt.lines...)
		m, err := c.in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if end, ok := m.Payload.(wire.ReplyPrivate); !ok || string(end.Body) != tt.end || m.Header != h {
			t.Errorf("%s %s ends in %v, want %s", tt.name, tt.body, m, tt.end)
		}
	}
	for n, body := range map[string]string{":x": "no JSON", ":": "{}"} {
		if p, ok := r.dial().ask(n, wire.Private{Verb: api.VerbHistory, Body: []byte(body)}).(wire.Failure); !ok {
			t.Errorf("history of %s with %s: %v", n, body, p)
		}
	}
}

// Only root and the daemon's own user may add consoles; all may look.
func TestAddByOthers(t *testing.T) {
	testutil.RequireRoot(t)
	r := start(t)
	r.unikernel(":x")
	for _, dir := range []string{string(r.tmp), r.tmp.Util()} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(r.tmp.Console(), 0o777); err != nil {
		t.Fatal(err)
	}
	clients := make(chan *client)
	go func() {
		defer close(clients)
		// The thread that is someone else now ends with the goroutine.
		runtime.LockOSThread()
		const nobody = 65534
		unchanged := ^uintptr(0)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, unchanged, nobody, unchanged); errno != 0 {
			t.Error(errno)
			return
		}
		clients <- r.dial()
	}()
	c := <-clients
	if c == nil {
		t.Fatal("no connection")
	}
	c.expect(":x", wire.ConsoleAdd{Unikernels: 1}, wire.Failure{Text: "only albatrossd may add consoles"})
	c.expect(":", wire.ConsoleListInactive{}, wire.ReplyConsoles{})
}
