package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
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
		g, l, rate := w.floodRateFollowed()
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
func (w *world) floodRateFollowed() (got, lost, rate float64) {
	w.t.Helper()
	w.stuckSubscriber()
	var all []*countedLines
	for range floodSubscribers - 1 {
		all = append(all, w.countLines())
	}
	defer func() {
		for _, c := range all {
			c.stop()
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
	return got, lost, rate
}

// stuckSubscriber follows the flood and never reads.
func (w *world) stuckSubscriber() {
	w.t.Helper()
	nc, err := net.Dial("unix", filepath.Join(w.dir, "run", "util", "console.sock"))
	must(w.t, err)
	w.t.Cleanup(func() { _ = nc.Close() })
	m := wire.Message{Header: wire.Header{Name: named(w.t, "flood")}, Payload: wire.ConsoleSubscribe{}}
	must(w.t, wire.NewWriter(nc).WriteMessage(m))
}

// countedLines is a process that follows a flood, and how many lines it has printed.
type countedLines struct {
	stop      func()
	got, lost atomic.Int64
}

// countLines starts "albatross console -f" on the flood.
func (w *world) countLines() *countedLines {
	w.t.Helper()
	cmd := w.command("albatross", "console", "-f", "--count", "0", "flood")
	c := new(countedLines)
	out, err := cmd.StdoutPipe()
	must(w.t, err)
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			line := lines.Bytes()
			if line[0] != '[' { // of "[N lines dropped]"
				c.got.Add(1)
				continue
			}
			var n int64
			_, _ = fmt.Sscanf(string(line), "[%d", &n)
			c.lost.Add(n)
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
