package console

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

// TestEveryLineIsCounted prints numbered lines while clients come, read, stand still and
// go, FIFOs are replaced and the disk fails: for each client the lines that it got and
// those that it was told to have lost are, in order, all since its first one.
func TestEveryLineIsCounted(t *testing.T) {
	seeds := 24
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newWild(t, uint64(seed)).run() })
	}
}

// wild is a daemon of small limits to which anything may happen.
type wild struct {
	*rig
	rand    *rand.Rand
	writes  *unikernel
	written int // lines
	readers []*counting
	away    bool // the directory of logs is
}

// counting is a client that counts.
type counting struct {
	*client
	next int // the number that comes next; -1: any up to latest
	most int // how many lines there were when it came
	lost int
}

func newWild(t *testing.T, seed uint64) *wild {
	w := &wild{rig: newRig(t), rand: rand.New(rand.NewPCG(seed, 23))}
	if seed%3 > 0 {
		w.logs = string(w.tmp) + "/logs"
	}
	limits := DefaultLimits()
	limits.Lines, limits.LineBytes, limits.Groups = 50, 200, limits.Subscribers
	limits.RingBytes, limits.TailBytes = 4<<10, 8<<10
	if seed%2 == 0 {
		limits.Burst, limits.Rate = 40<<10, 200<<10
	}
	w.serve(limits)
	w.writes = w.unikernel(":x")
	w.add(":x", 1)
	return w
}

func (w *wild) run() {
	w.t.Helper()
	for range 60 {
		switch n := w.rand.IntN(20); {
		case n < 8:
			w.prints(1 + w.rand.IntN(1<<w.rand.IntN(11)))
		case n < 11 && len(w.readers) < w.daemon.limits.Subscribers:
			w.comes(w.rand.IntN(4) == 0)
		case n < 12 && len(w.readers) > 0:
			i := w.rand.IntN(len(w.readers))
			_ = w.readers[i].Close()
			w.readers = slices.Delete(w.readers, i, i+1)
			w.awaitReaders(len(w.readers))
		case n < 17 && len(w.readers) > 0:
			w.readers[w.rand.IntN(len(w.readers))].reads(w, w.rand.IntN(200))
		case n < 18:
			w.replaceFIFO()
		case n < 20 && w.logs != "":
			w.toggleDisk()
		}
	}
	w.prints(1)
	for _, c := range w.readers {
		c.reads(w, 1<<30)
	}
	w.checkHistory()
	if w.away {
		w.toggleDisk()
	}
}

// prints prints so many lines, in pieces of any size. Some are empty or too long.
func (w *wild) prints(lines int) {
	w.t.Helper()
	var b strings.Builder
	for range lines {
		fmt.Fprintf(&b, "%d %s\n", w.written, strings.Repeat("x", w.rand.IntN(60)))
		w.written++
	}
	text := b.String()
	for len(text) > 0 {
		n := min(1+w.rand.IntN(1<<w.rand.IntN(17)), len(text))
		w.writes.print(text[:n])
		text = text[n:]
	}
}

func (w *wild) replaceFIFO() {
	w.t.Helper()
	w.writes.exit()
	w.removeFIFO(":x")
	w.writes = w.unikernel(":x")
	testutil.Eventually(w.t, patience, func() error { // there may be too many that are still to be read
		c := w.dial()
		defer func() { _ = c.Close() }()
		if reply := c.ask(":x", wire.ConsoleAdd{Unikernels: 1}); reply != (wire.ReplyEmpty{}) {
			return fmt.Errorf("%v", reply)
		}
		return nil
	})
}

// toggleDisk has the directory of logs go, or come back.
func (w *wild) toggleDisk() {
	w.t.Helper()
	w.away = !w.away
	if w.away {
		w.must(os.Rename(w.logs, w.logs+"-away"))
		if w.rand.IntN(2) == 0 { // unless the daemon has made another one
			_ = os.WriteFile(w.logs, nil, 0o600)
		}
		return
	}
	testutil.Eventually(w.t, patience, func() error {
		return errors.Join(os.RemoveAll(w.logs), os.Rename(w.logs+"-away", w.logs))
	})
}

func (w *wild) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// comes adds a client that wants lines of before, or none.
func (w *wild) comes(many bool) {
	w.t.Helper()
	c := &counting{client: w.dial().greet(), next: -1, most: w.written}
	count := w.rand.IntN(1 << w.rand.IntN(14))
	if many {
		c.send(":", api.VerbConsoles, fmt.Sprintf(`{"count":%d,"follow":true}`, count))
		for !c.read(w) {
		}
	} else {
		c.expect(":x", wire.ConsoleSubscribe{Count: count}, wire.ReplyText{Text: "subscribed"})
	}
	w.readers = append(w.readers, c)
}

// reads reads so many messages, or until the last line that was written. Those must
// come that were written since the client came.
func (c *counting) reads(w *wild, messages int) {
	w.t.Helper()
	for range messages {
		if c.next == w.written || c.next < 0 && w.written == c.most {
			return
		}
		c.read(w)
	}
}

// read reads a message, and reports whether it is what ends what was.
func (c *counting) read(w *wild) (end bool) {
	w.t.Helper()
	m, err := c.in.Next()
	if err != nil {
		w.t.Fatalf("number %d of %d, %d lost: %v", c.next, w.written, c.lost, err)
	}
	switch p := m.Payload.(type) {
	case wire.ReplyPrivate:
		return true
	case wire.ConsoleData:
		c.takes(w, p.Line)
	default:
		w.t.Fatalf("got %v", m)
	}
	return false
}

func (c *counting) takes(w *wild, line string) {
	w.t.Helper()
	var n int
	if _, err := fmt.Sscanf(line, "[%d lines dropped]", &n); err == nil {
		c.lost += n
		if c.next >= 0 {
			c.next += n
		}
		return
	}
	if _, err := fmt.Sscanf(line, "%d", &n); err != nil {
		w.t.Fatalf("line %q: %v", line, err)
	}
	if c.next < 0 && n-c.lost <= c.most { // the first line, behind those that are missing
		c.next = n
	}
	if n != c.next {
		w.t.Fatalf("line %q, want number %d; %d are lost; it came when %d were written", line, c.next, c.lost, c.most)
	}
	c.next++
}

// checkHistory reads all that there is.
func (w *wild) checkHistory() {
	w.t.Helper()
	lines, end := w.history(":x", `{"since":"2020-01-02T03:04:05Z"}`)
	c := &counting{next: -1, most: w.written}
	for _, line := range lines {
		c.takes(w, line)
	}
	if c.next+end.Lost != w.written {
		w.t.Errorf("the history ends with %d and %d lost, of %d", c.next, end.Lost, w.written)
	}
}

// TestGroupOfAnEvictedConsole has a console go and come again between what a group gets
// at first and what it follows: the lines are other ones.
func TestGroupOfAnEvictedConsole(t *testing.T) {
	r := start(t)
	u := r.unikernel("p:x")
	r.add("p:x", 1)
	u.print("1\n2\n3\n")
	u.exit()
	r.expectInactive(":", "p:x")
	path := name(t, "p:").Path()
	pasts := r.daemon.pasts(t.Context(), path, api.ConsolesWanted{Count: 10})
	for _, p := range pasts {
		for range p.lines(t.Context()) {
		}
	}
	r.unikernel("p:y")
	r.add("p:y", 1)
	again := r.unikernel("p:x")
	r.add("p:x", 2)
	again.print("4\n")
	r.subscribe("p:x", 1, "subscribed").expectLines("4")
	g := r.daemon.newGroup(path, pasts)
	defer r.daemon.endGroup(g)
	var got []string
	for _, p := range g.take(false) {
		for lost, line := range p.lines(context.Background()) {
			got = append(got, fmt.Sprint(lost, " ", string(line.Text)))
		}
		if p.missing != 0 {
			t.Errorf("of %s, %d lines are missing", p.name, p.missing)
		}
	}
	if want := []string{"0 4"}; !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
}
