package archive

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/testutil"
	"albatross/internal/vm"

	"pgregory.net/rapid"
)

// fill gives a log so many bytes, line by line.
func fill(t fataler, l *Log, bytes int) {
	t.Helper()
	line := strings.Repeat("q", 999)
	for i := range bytes / 1000 {
		put(l, epoch, line)
		if i%50 == 0 {
			reader(t, l) // more could not wait
		}
	}
	reader(t, l)
}

// has returns how many bytes of a log there are.
func (a *Archive) has(t fataler, n string) (size int64) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.logs[name(t, n)]; l != nil {
		for _, s := range l.spans {
			size += s.size
		}
	}
	return size
}

// TestTotalQuota fills the archive: who has little keeps it, and of who has most
// go the lines of those unikernels that ended first.
func TestTotalQuota(t *testing.T) {
	const mega = 1 << 20
	a := opened(t, Options{Name: 2 * mega, Total: 8 * mega})
	quiet := a.Log(name(t, "quiet:x"))
	fill(t, quiet, 100_000)
	quiet.Release() // it ended before all others
	for i := range 20 {
		l := a.Log(name(t, fmt.Sprintf("loud:ci:job-%d", i)))
		l.Active(true)
		fill(t, l, mega)
		l.Release()
	}
	steady := a.Log(name(t, "loud:steady"))
	steady.Active(true)
	fill(t, steady, 3*mega)
	if size, _ := sizes(t, a.dir); size > 8*mega {
		t.Errorf("all logs have %d bytes", size)
	}
	if a.has(t, "quiet:x") == 0 || a.has(t, "loud:ci:job-19") == 0 || a.has(t, "loud:steady") < mega {
		t.Errorf("there are %d bytes of the quiet one, %d of the last job, %d of the steady one",
			a.has(t, "quiet:x"), a.has(t, "loud:ci:job-19"), a.has(t, "loud:steady"))
	}
	if a.has(t, "loud:ci:job-0") > 0 || a.Find(name(t, "loud:ci:job-0")) != nil {
		t.Error("the job that ended first is still there")
	}
	must(t, a.recount())
	if len(a.Names(vm.Path{})) != len(a.logs) {
		t.Errorf("%d logs are known, %d have lines", len(a.logs), len(a.Names(vm.Path{})))
	}
}

// A smaller quota holds from the start.
func TestQuotaIsLessened(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	for i := range 4 {
		fill(t, a.Log(name(t, fmt.Sprintf(":x%d", i))), 1<<20)
	}
	must(t, a.Close())
	a = open(t, dir, Options{Name: 1 << 20, Total: 2 << 20})
	defer a.Close()
	if size, dirs := sizes(t, dir); size > 2<<20 || dirs > 2 {
		t.Errorf("%d bytes in %d directories are left", size, dirs)
	}
	must(t, a.recount())
}

// A smaller quota of each holds from the start as well, and for those that ended.
func TestNameQuotaIsLessened(t *testing.T) {
	const mega = 1 << 20
	dir := t.TempDir()
	a := open(t, dir, Options{})
	for _, n := range []string{":x", ":y"} {
		fill(t, a.Log(name(t, n)), 6*mega)
	}
	must(t, a.Close())
	a = open(t, dir, Options{Name: mega})
	defer a.Close()
	const segment = DefaultName / segments // the newest one stays, and is larger than all may be
	if x, y := a.has(t, ":x"), a.has(t, ":y"); x == 0 || y == 0 || x > segment || y > segment {
		t.Errorf("%d and %d bytes are left", x, y)
	}
	l := a.Log(name(t, ":x"))
	fill(t, l, 3*mega)
	if x := a.has(t, ":x"); x > mega || x < mega/2 {
		t.Errorf("%d bytes are there", x)
	}
	must(t, a.recount())
}

// The number of logs is bounded even if there is hardly anything in them.
func TestTinyLogs(t *testing.T) {
	a := opened(t, Options{Name: MinName, Total: MinName})
	for i := range 200 {
		l := a.Log(name(t, fmt.Sprintf("p%d:x%d", i%3, i)))
		put(l, epoch, "hello")
		reader(t, l)
		l.Release()
	}
	if _, dirs := sizes(t, a.dir); dirs > MinName/logCost {
		t.Errorf("there are %d directories", dirs)
	}
	must(t, a.recount())
}

// TestExcess compares each segment that goes with a definition over all logs.
func TestExcess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &Archive{logs: map[vm.Name]*Log{}, limit: rapid.Int64Range(0, 200_000).Draw(t, "limit")}
		for i := range rapid.IntRange(0, 8).Draw(t, "logs") {
			n := name(t, fmt.Sprintf("%s:x%d", rapid.SampledFrom([]string{"", "a", "b", "a:c"}).Draw(t, "path"), i))
			l := &Log{archive: a, name: n, owned: true, active: rapid.Bool().Draw(t, "active"), written: epoch.Add(time.Duration(i))}
			for j := range rapid.IntRange(0, 3).Draw(t, "segments") {
				l.spans = append(l.spans, span{int64(j + 1), rapid.Int64Range(1, 50_000).Draw(t, "size")})
			}
			a.logs[n] = l
			a.total += l.cost()
		}
		model := &Archive{logs: map[vm.Name]*Log{}, total: a.total, limit: a.limit}
		for n, l := range a.logs {
			model.logs[n] = &Log{archive: model, name: n, active: l.active, written: l.written, spans: l.spans}
		}
		for _, s := range a.excess() {
			l := model.logs[s.log.name]
			if model.total <= model.limit-model.limit/64 || len(l.spans) == 0 || l.spans[0] != s.span {
				t.Fatalf("%s loses segment %v of %v, of %d bytes that are too many than %d", l.name, s.span, l.spans, model.total, model.limit)
			}
			for _, m := range model.logs {
				if why := model.wronged(m, l); why != "" {
					t.Fatalf("%s loses a segment, but %s %s", l.name, m.name, why)
				}
			}
			model.takeOldest(l)
		}
		if model.total > model.limit {
			t.Fatalf("left are %d bytes of %d", model.total, model.limit)
		}
		must(t, a.recountSizes())
	})
}

// wronged says why m should have lost a segment before l, if it should.
func (a *Archive) wronged(l, m *Log) (why string) {
	spare := func(l *Log) bool { return len(l.spans) > 1 || len(l.spans) == 1 && !l.active }
	uses := func(of *Log) (sum int64) {
		for n, l := range a.logs {
			if tenant(n) == tenant(of.name) {
				sum += l.cost()
			}
		}
		return sum
	}
	switch {
	case len(l.spans) == 0 || spare(m) && !spare(l):
		return ""
	case spare(l) && !spare(m):
		return "has one to spare"
	case uses(l) > uses(m):
		return "is of a tenant that has more"
	case tenant(l.name) != tenant(m.name):
		return ""
	case !l.active && (m.active || l.written.Before(m.written)):
		return "ended before"
	case l.active && m.active && l.cost() > m.cost():
		return "is larger"
	}
	return ""
}

// TestExcessOfRunning has more unikernels write than there is room for a segment of
// each: the quota holds.
func TestExcessOfRunning(t *testing.T) {
	a := opened(t, Options{Name: MinName, Total: MinName})
	var last *Log
	for i := range 40 {
		last = a.Log(name(t, fmt.Sprintf("p%d:x%d", i%3, i)))
		last.Active(true)
		fill(t, last, 60_000)
		if size, _ := sizes(t, a.dir); size > MinName {
			t.Fatalf("%d logs have %d bytes, of %d", i+1, size, MinName)
		}
	}
	put(last, epoch, "last")
	if got := texts(t, last); len(got) == 0 || got[len(got)-1] != "last" {
		t.Errorf("what came last is not there, of %d lines", len(got))
	}
	must(t, a.recount())
}

// TestForgottenTooSoon has the quota delete all of a log whose owner gave it up while
// lines waited: they are written, and still known.
func TestForgottenTooSoon(t *testing.T) {
	a := opened(t, Options{})
	l := a.Log(name(t, ":x"))
	put(l, epoch, "one")
	reader(t, l)
	put(l, epoch, "two") // waits
	a.mu.Lock()
	l.owned = false
	limit := a.limit
	a.limit = 0
	doomed := a.excess()
	a.limit = limit
	a.mu.Unlock()
	a.remove(doomed)
	l.Release()
	must(t, a.Log(name(t, ":y")).settle(t.Context()))
	testutil.Eventually(t, 20*time.Second, a.recount)
	if l := a.Find(name(t, ":x")); l == nil || !slices.Equal(texts(t, l), []string{"two"}) {
		t.Error("what waited is not there")
	}
}

// TestThousandLogs has a thousand unikernels write at the same time: nothing is
// lost but by quota, and no descriptors are kept.
func TestThousandLogs(t *testing.T) {
	const logs, rounds = 1000, 5
	dir := t.TempDir()
	a := open(t, dir, Options{})
	of := func(i int) vm.Name { return name(t, fmt.Sprintf("p%d:x%d", i%17, i)) }
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for round := range rounds {
				for i := w; i < logs; i += 4 {
					l := a.Log(of(i))
					l.Active(true)
					put(l, epoch, fmt.Sprint(i, " ", round), strings.Repeat("x", 100))
				}
			}
		})
	}
	wg.Wait()
	must(t, a.recount())
	must(t, a.Close())
	a = open(t, dir, Options{})
	defer a.Close()
	for i := range logs {
		got := texts(t, a.Find(of(i)))
		if len(got) != 2*rounds || got[0] != fmt.Sprint(i, " 0") || got[2*rounds-2] != fmt.Sprint(i, " ", rounds-1) {
			t.Fatalf("log %d: %q", i, got)
		}
	}
}

// BenchmarkExcess has many logs be too large: nothing else is told of logs meanwhile.
func BenchmarkExcess(b *testing.B) {
	const logs = 5000
	segments := 0
	for b.Loop() {
		b.StopTimer()
		a := &Archive{logs: map[vm.Name]*Log{}, limit: DefaultTotal, each: DefaultName}
		for i := range logs {
			l := newLog(a, name(b, fmt.Sprintf("p%d:q:x%d", i%17, i)))
			l.owned, l.active, l.written = true, i%4 > 0, epoch.Add(time.Duration(i))
			for l.cost() < DefaultTotal/logs {
				l.spans = append(l.spans, span{int64(len(l.spans) + 1), minSegment})
			}
			a.logs[l.name] = l
			a.total += l.cost()
		}
		a.limit = a.total - 1
		b.StartTimer()
		segments += len(a.excess())
	}
	b.ReportMetric(float64(segments)/float64(b.N), "segments")
}

// BenchmarkLine measures what a line costs whoever reads the FIFO.
func BenchmarkLine(b *testing.B) {
	line := []byte(strings.Repeat("b", 79))
	var waiting batch
	b.SetBytes(80)
	for b.Loop() {
		if !waiting.add(1, line) {
			waiting.free()
		}
	}
}

// BenchmarkLog writes lines as fast as the file system takes them, and reads them.
func BenchmarkLog(b *testing.B) {
	a := opened(b, Options{})
	l := a.Log(name(b, ":x"))
	line := []byte(strings.Repeat("b", 79))
	const lines = 1000
	b.Run("write", func(b *testing.B) {
		b.SetBytes(lines * 80)
		for b.Loop() {
			l.Begin(time.Now())
			for range lines {
				l.Line(line)
			}
			l.End()
			reader(b, l)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(lines * 80)
		n := l.Count()
		for b.Loop() {
			read := 0
			for range reader(b, l).Lines(n-lines, n) {
				read++
			}
			if read != lines {
				b.Fatalf("%d lines", read)
			}
		}
	})
	b.Run("reopen", func(b *testing.B) {
		for b.Loop() {
			fresh := &Log{archive: a, name: l.name, spans: reader(b, l).spans}
			if _, _, err := fresh.examine(fresh.spans[len(fresh.spans)-1]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
