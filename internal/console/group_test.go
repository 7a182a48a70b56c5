package console

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/console/lines"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// consoles asks for lines of many consoles.
func (r *rig) consoles(path, body string) *client {
	r.t.Helper()
	c := r.dial().greet()
	c.send(path, api.VerbConsoles, body)
	return c
}

// next returns the next line with the name of its console.
func (c *client) next() string {
	c.t.Helper()
	data, h := c.line()
	return h.Name.Wire() + " " + data.Line
}

// TestConsolesAtOnce reads all below a path, from memory and disk, by number and
// time, of unikernels that run and that do not.
func TestConsolesAtOnce(t *testing.T) {
	r := startWithLogs(t)
	var want []string
	all, seen := map[string]*unikernel{}, map[string]*client{}
	for i := range 60 { // lines that follow each other for sure
		n := []string{"a:x", "a:b:y", "a:z", "b:other"}[i%4]
		if all[n] == nil {
			all[n] = r.unikernel(n)
			r.add(n, 5)
			seen[n] = r.subscribe(n, 0, "subscribed")
		}
		line := fmt.Sprint("line ", i)
		all[n].print(line + "\n")
		seen[n].expectLines(line)
		testutil.Eventually(t, patience, later(time.Now()))
		if n != "b:other" {
			want = append(want, n+" "+line)
		}
	}
	all["a:z"].exit()
	r.expectInactive(":", "a:z")
	check := func(when string) {
		t.Helper()
		for body, want := range map[string][]string{
			`{"count":1000}`:                   want,
			`{"count":10}`:                     want[len(want)-10:],
			`{"count":1}`:                      want[len(want)-1:],
			`{}`:                               nil,
			`{"count":-1}`:                     nil,
			`{"since":"2020-01-02T03:04:05Z"}`: want,
			`{"since":"2099-01-02T03:04:05Z"}`: nil,
		} {
			if got, end := r.consoles("a:", body).recalled(""); !end.Known || !slices.Equal(got, want) {
				t.Errorf("%s: %s: %+v, %s", when, body, end, gocmp.Diff(want, got))
			}
		}
	}
	check("at first")
	if got, end := r.consoles("nobody:", `{"count":9}`).recalled(""); end.Known || got != nil {
		t.Errorf("of nobody: %q, %+v", got, end)
	}
	r.stop()
	r.serve(DefaultLimits())
	r.add("a:x", 5)
	check("with a new daemon")
}

// later says whether the clock has gone on, in the milliseconds that lines count.
func later(than time.Time) func() error {
	return func() error {
		if time.Since(than) < 2*time.Millisecond {
			return fmt.Errorf("it is still %v", than)
		}
		return nil
	}
}

// TestFollowConsoles follows all below a path: those that write already, that come,
// go, and come again.
func TestFollowConsoles(t *testing.T) {
	for _, logs := range []bool{true, false} {
		t.Run(fmt.Sprint("logs=", logs), func(t *testing.T) {
			r := newRig(t)
			if logs {
				r.logs = string(r.tmp) + "/logs"
			}
			r.serve(DefaultLimits())
			x := r.unikernel("a:x")
			r.add("a:x", 1)
			x.print("old\n")
			r.subscribe("a:x", 1, "subscribed").expectLines("old")
			c := r.consoles("a:", `{"count":5,"follow":true}`)
			if got, end := c.recalled(""); !slices.Equal(got, []string{"a:x old"}) || !end.Known {
				t.Errorf("before: %q, %+v", got, end)
			}
			expect := func(want string) {
				t.Helper()
				if got := c.next(); got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
			}
			x.print("new\n\n")
			expect("a:x new")
			expect("a:x ")
			y := r.unikernel("a:b:y")
			y.print("hello\n")
			r.add("a:b:y", 1)
			expect("a:b:y hello")
			other := r.unikernel("b:other")
			r.add("b:other", 1)
			other.print("not for all\n")
			x.exit()
			r.expectInactive(":", "a:x")
			z := r.unikernel("a:z") // for which x has to go
			r.add("a:z", 1)
			z.print("in its place\n")
			expect("a:z in its place")
			back := r.unikernel("a:x")
			r.add("a:x", 2)
			back.print("here again\n")
			expect("a:x here again")
			y.exit()
			r.expectInactive(":", "a:b:y")
			_ = c.Close()
			testutil.Eventually(t, patience, func() error {
				r.daemon.mu.Lock()
				defer r.daemon.mu.Unlock()
				left := 0
				for _, c := range r.daemon.consoles {
					c.feed.mu.Lock()
					left += len(c.feed.subscribers)
					c.feed.mu.Unlock()
				}
				if left > 0 || len(r.daemon.groups) > 0 || r.daemon.readers > 0 {
					return fmt.Errorf("left are %d subscribers and %d groups of %d clients", left, len(r.daemon.groups), r.daemon.readers)
				}
				return nil
			})
		})
	}
}

// A flood of one console takes nothing away from others that are followed with it,
// and all lines are accounted for.
func TestFloodAmongConsoles(t *testing.T) {
	const total = 8 << 20 / 41
	r := startWithLogs(t)
	flood, quiet := r.unikernel(":flood"), r.unikernel(":quiet")
	r.add(":flood", 5)
	r.add(":quiet", 5)
	c := r.consoles(":", `{"follow":true}`)
	c.recalled("")
	var wg sync.WaitGroup
	wg.Go(func() {
		const step = 1000
		for i := 0; i < total; i += step {
			flood.print(numbered(i, min(i+step, total)))
			if i%(20*step) == 0 {
				quiet.print(fmt.Sprintf("tick %d\n", i/(20*step)))
			}
		}
		flood.print("end\n")
		quiet.print("end\n")
	})
	next, ticks, ends, lost := 0, 0, 0, 0
	for ends < 2 {
		line := c.next()
		var n int
		text, isFlood := strings.CutPrefix(line, ":flood ")
		switch {
		case strings.HasSuffix(line, " end"):
			ends++
		case isFlood && scan(text, "[%d lines dropped]", &n):
			next, lost = next+n, lost+n
		case isFlood && scan(text, "%d a line", &n) && n == next:
			next++
		case scan(line, ":quiet tick %d", &n) && n == ticks:
			ticks++
		default:
			t.Fatalf("line %q; want number %d or tick %d", line, next, ticks)
		}
	}
	wg.Wait()
	if want := (total + 19_999) / 20_000; next != total || ticks != want {
		t.Errorf("got %d of %d lines of the flood, %d of %d ticks", next, total, ticks, want)
	}
	t.Logf("of the flood, %d lines of %d were lost", lost, total)
}

func scan(line, format string, n *int) bool {
	_, err := fmt.Sscanf(line, format, n)
	return err == nil
}

func TestConsolesRefuse(t *testing.T) {
	r := newRig(t)
	limits := DefaultLimits()
	limits.Groups = 2
	r.serve(limits)
	for n, body := range map[string]string{":": "no JSON", ":x": "{}"} {
		if p, ok := r.dial().ask(n, wire.Private{Verb: api.VerbConsoles, Body: []byte(body)}).(wire.Failure); !ok {
			t.Errorf("consoles of %s with %s: %v", n, body, p)
		}
	}
	var followers []*client
	for range limits.Groups {
		c := r.consoles(":", `{"follow":true}`)
		c.recalled("")
		followers = append(followers, c)
	}
	ask := func() wire.Payload {
		return r.dial().greet().ask(":", wire.Private{Verb: api.VerbConsoles, Body: []byte("{}")})
	}
	if p, ok := ask().(wire.Problem); !ok || p.Code != string(api.Unavailable) || p.Hint == nil {
		t.Errorf("one too many: %v", p)
	}
	_ = followers[0].Close()
	testutil.Eventually(t, patience, func() error {
		if p, ok := ask().(wire.ReplyPrivate); !ok {
			return fmt.Errorf("once one has gone: %v", p)
		}
		return nil
	})
}

// TestMergeIsItsModel compares with a stable sort, where clocks only go on.
func TestMergeIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type entry struct {
			ms      int64
			console int
			text    string
		}
		var consoles []told
		var want []entry
		for i := range rapid.IntRange(0, 6).Draw(t, "consoles") {
			ms := int64(0)
			var all []lines.Line
			for j := range rapid.IntRange(0, 6).Draw(t, "lines") {
				ms += rapid.Int64Range(0, 3).Draw(t, "ms")
				e := entry{ms, i, fmt.Sprint(i, " ", j)}
				want = append(want, e)
				all = append(all, lines.Line{Time: time.UnixMilli(ms), Text: []byte(e.text)})
			}
			n := vm.MakeName(vm.Path{}, vm.Label(fmt.Sprint("x", i)))
			consoles = append(consoles, told{teller{name: n}, oneBuffer(all)})
		}
		slices.SortStableFunc(want, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.console, b.console))
		})
		i := 0
		most := rapid.IntRange(0, 40).Draw(t, "most")
		for m := range merge(consoles) {
			if i == most {
				break
			}
			data := m.Payload.(wire.ConsoleData)
			e := want[i]
			if data.Line != e.text || m.Name.Label() != vm.Label(fmt.Sprint("x", e.console)) || data.Time.UnixMilli() != e.ms {
				t.Fatalf("line %d is %v, want %v", i, m, e)
			}
			i++
		}
		if i != min(most, len(want)) {
			t.Fatalf("%d lines of %d", i, len(want))
		}
		times := newest{most: most}
		for _, e := range want {
			times.add(lineTime{e.ms, e.console})
		}
		counts := make([]int64, len(consoles))
		for _, e := range want[max(0, len(want)-most):] {
			counts[e.console]++
		}
		if got := times.counts(len(consoles)); !slices.Equal(got, counts) {
			t.Fatalf("of the newest %d lines each console has %v, want %v", most, got, counts)
		}
	})
}

// oneBuffer gives lines in memory that is used again for the next one, as reading a
// file does, and goes on where it stopped.
func oneBuffer(all []lines.Line) iter.Seq2[int, lines.Line] {
	return func(yield func(int, lines.Line) bool) {
		var buf bytes.Buffer
		for len(all) > 0 {
			l := all[0]
			all = all[1:]
			buf.Reset()
			buf.Write(l.Text)
			if !yield(0, lines.Line{Time: l.Time, Text: buf.Bytes()}) {
				return
			}
		}
	}
}
