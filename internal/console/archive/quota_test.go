package archive

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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

// TestVictim compares with a definition over sorted lists.
func TestVictim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &Archive{logs: map[vm.Name]*Log{}, limit: 1}
		uses := map[vm.Label]int64{}
		for i := range rapid.IntRange(0, 8).Draw(t, "logs") {
			n := name(t, fmt.Sprintf("%s:x%d", rapid.SampledFrom([]string{"", "a", "b", "a:c"}).Draw(t, "path"), i))
			l := &Log{archive: a, name: n, active: rapid.Bool().Draw(t, "active"), written: epoch.Add(time.Duration(i))}
			for j := range rapid.IntRange(0, 3).Draw(t, "segments") {
				l.spans = append(l.spans, span{int64(j + 1), rapid.Int64Range(0, 1000).Draw(t, "size")})
			}
			a.logs[n] = l
			uses[tenant(n)] += l.cost()
		}
		got := a.victim(uses)
		for _, l := range a.logs {
			may := len(l.spans) > 1 || len(l.spans) == 1 && !l.active
			switch {
			case may && got == nil:
				t.Fatalf("%s may go, but none does", l.name)
			case got == l && !may:
				t.Fatalf("%s goes, with %d segments", l.name, len(l.spans))
			case !may || got == l:
			case uses[tenant(l.name)] > uses[tenant(got.name)]:
				t.Fatalf("%s goes, but %s is of a tenant that has more", got.name, l.name)
			case tenant(l.name) == tenant(got.name) && !l.active && (got.active || l.written.Before(got.written)):
				t.Fatalf("%s goes, but %s ended before", got.name, l.name)
			case tenant(l.name) == tenant(got.name) && l.active && got.active && l.cost() > got.cost():
				t.Fatalf("%s goes, but %s is larger", got.name, l.name)
			}
		}
	})
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
