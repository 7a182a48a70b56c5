package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"albatross/internal/client"
	"albatross/internal/wire"
)

// BenchmarkConsoleFlood is goal 12: a unikernel that prints as fast as it can, waiting
// for its console or not, alone and with five subscribers of which one never reads.
// Their processes take part in using the machine up, as they would.
func BenchmarkConsoleFlood(b *testing.B) {
	for _, patient := range []bool{false, true} {
		b.Run(fmt.Sprintf("patient=%t", patient), func(b *testing.B) { benchFlood(b, patient) })
	}
}

const (
	floodSubscribers = 5
	floodSettles     = 6 * time.Second // subscribers get a flood's first megabytes as fast as they read
	floodWatched     = 3 * time.Second
)

func benchFlood(b *testing.B, patient bool) {
	w := newWorld(b)
	args := []string{"create", "flood", imageFile(b, "spt", "flood"), "--"}
	if patient {
		args = append(args, "--patient")
	}
	w.ok(args...)
	w.console("flood", "the quick brown fox")
	daemon := w.daemonPID("albatross-console")
	time.Sleep(floodSettles) // the log's first megabytes as well
	var alone, followed, got, lost float64
	resetPeak(b, daemon)
	before := peakKB(b, daemon)
	for b.Loop() {
		alone += w.floodRate()
		g, l, rate := w.floodRateFollowed(patient)
		followed += rate
		got, lost = got+g, lost+l
	}
	n := float64(b.N)
	b.ReportMetric(alone/n/1e6, "Mlines/s-alone")
	b.ReportMetric(followed/n/1e6, "Mlines/s-followed")
	b.ReportMetric(100*followed/alone, "%of-alone")
	b.ReportMetric(got/n/(floodSubscribers-1)/floodWatched.Seconds()/1e3, "klines/s-a-reader")
	b.ReportMetric(100*lost/(got+lost), "%dropped")
	b.ReportMetric(float64(before)/1024, "daemon-MiB-before")
	b.ReportMetric(float64(peakKB(b, daemon))/1024, "daemon-MiB-peak")
	b.ReportMetric(float64(diskUse(b, filepath.Join(w.dir, "log", "console", ":flood")))/(1<<20), "log-MiB")
	w.ok("destroy", "flood")
}

// floodRate returns how many lines a second the unikernel writes, by their numbers.
func (w *world) floodRate() float64 {
	w.t.Helper()
	first, began := w.floodLine(), time.Now()
	time.Sleep(floodWatched)
	return float64(w.floodLine()-first) / time.Since(began).Seconds()
}

// floodLine returns the number of the newest line of a flood.
func (w *world) floodLine() (n int64) {
	w.t.Helper()
	line := w.ok("console", "--count", "1", "flood")
	if _, err := fmt.Sscanf(line, "%d", &n); err != nil {
		w.t.Fatalf("line %q: %v", line, err)
	}
	return n
}

// floodRateFollowed is floodRate with subscribers, who get and lose so many lines.
func (w *world) floodRateFollowed(patient bool) (got, lost, rate float64) {
	w.t.Helper()
	stuck := w.stuckSubscriber()
	defer func() { _ = stuck.Close() }()
	var all []*countedLines
	for range floodSubscribers - 1 {
		all = append(all, w.countLines(patient))
	}
	defer func() {
		for _, c := range all {
			c.stop()
			if c.wrong != "" {
				w.t.Errorf("a reader misses lines that it was not told of: %s", c.wrong)
			}
		}
	}()
	time.Sleep(floodSettles)
	for _, c := range all {
		c.got.Store(0)
		c.lost.Store(0)
	}
	rate = w.floodRate()
	for _, c := range all {
		got += float64(c.got.Load())
		lost += float64(c.lost.Load())
	}
	w.wasStuck(stuck)
	return got, lost, rate
}

// stuckSubscriber follows the flood and does not read.
func (w *world) stuckSubscriber() net.Conn {
	w.t.Helper()
	nc, err := net.Dial("unix", filepath.Join(w.dir, "run", "util", "console.sock"))
	must(w.t, err)
	w.t.Cleanup(func() { _ = nc.Close() })
	m := wire.Message{Header: wire.Header{Name: named(w.t, "flood")}, Payload: wire.ConsoleSubscribe{}}
	must(w.t, wire.NewWriter(nc).WriteMessage(m))
	return nc
}

// wasStuck has a stuck subscriber read again: it follows still, and lines are missing.
func (w *world) wasStuck(nc net.Conn) {
	w.t.Helper()
	must(w.t, nc.SetReadDeadline(time.Now().Add(patience)))
	for in := wire.NewReader(nc); ; {
		m, err := in.Next()
		if err != nil {
			w.t.Fatalf("the subscriber that was stuck: %v", err)
		}
		line, _ := m.Payload.(wire.ConsoleData)
		if strings.HasSuffix(line.Line, " lines dropped]") {
			return
		}
	}
}

// countedLines is a process that follows a flood, and how many lines it has printed.
type countedLines struct {
	stop      func()
	got, lost atomic.Int64

	patient bool   // the unikernel leaves no lines out itself
	next    int64  // the number that comes next, or a later one; 0: any
	wrong   string // what came instead; may be read after stop
}

// countLines starts "albatross console -f" on the flood.
func (w *world) countLines(patient bool) *countedLines {
	w.t.Helper()
	cmd := w.command("albatross", "console", "-f", "--count", "0", "flood")
	c := &countedLines{patient: patient}
	out, err := cmd.StdoutPipe()
	must(w.t, err)
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.take(lines.Text())
		}
	})
	must(w.t, cmd.Start())
	c.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	})
	w.t.Cleanup(c.stop)
	return c
}

// take counts a line.
func (c *countedLines) take(line string) {
	mark, isMark := strings.CutPrefix(line, "[") // of "[N lines dropped]"
	first, _, _ := strings.Cut(mark, " ")
	n, err := strconv.ParseInt(first, 10, 64)
	switch {
	case err != nil || !isMark && c.next != 0 && (n < c.next || c.patient && n > c.next):
		c.wrong = fmt.Sprintf("line %q, want number %d", line, c.next)
	case isMark:
		c.lost.Add(n)
		if c.next != 0 {
			c.next += n
		}
	default:
		c.got.Add(1)
		c.next = n + 1
	}
}

// BenchmarkConsoleBurst is the other half of goal 12: of what is written at once, and
// fits the buffer of a console, a subscriber that reads loses nothing, though another
// one is stuck.
func BenchmarkConsoleBurst(b *testing.B) {
	const size = 200_000 // bytes
	w := newWorld(b)
	image := imageFile(b, "spt", "flood")
	var got, lost, done int64
	for b.Loop() {
		w.stuckSubscriber()
		var mu sync.Mutex
		var reading sync.WaitGroup
		for range floodSubscribers - 1 {
			waiting := make(chan struct{})
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			reading.Go(func() {
				defer cancel()
				s := client.Subscription{Name: named(b, "flood"), Follow: true, Reply: func(string) { close(waiting) }}
				_ = w.client().Console(ctx, s, func(l client.Line) error {
					mu.Lock()
					defer mu.Unlock()
					var n int64
					switch {
					case strings.HasPrefix(l.Text, "flood: done"):
						done++
						cancel()
					case strings.HasSuffix(l.Text, " lines dropped]"):
						_, _ = fmt.Sscanf(l.Text, "[%d", &n)
						lost += n
					default:
						got++
					}
					return nil
				})
			})
			<-waiting
		}
		w.ok("create", "flood", image, "--", fmt.Sprint("--bytes=", size), "--patient")
		reading.Wait()
		w.ended("flood")
	}
	if want := int64(b.N) * (floodSubscribers - 1); done != want {
		b.Fatalf("%d of %d subscribers saw the end", done, want)
	}
	b.ReportMetric(float64(got)/float64(done), "lines-a-reader")
	b.ReportMetric(float64(lost)/float64(done), "lost-a-reader")
}
