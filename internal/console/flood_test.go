package console

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"albatross/internal/testutil"
	"albatross/internal/wire"
)

// follow counts what a subscriber gets until the last line of a flood: lines,
// and those it is told to have lost. Numbers must only grow, with no gap that is
// not told.
func (c *client) follow(last int) (got, lost int, err error) {
	next := 0
	for {
		m, err := c.in.Next()
		if err != nil {
			return got, lost, err
		}
		line := m.Payload.(wire.ConsoleData).Line
		if told, ok := strings.CutSuffix(line, " lines dropped]"); ok {
			n, err := strconv.Atoi(strings.TrimPrefix(told, "["))
			if err != nil || n < 1 {
				return got, lost, fmt.Errorf("line %q", line)
			}
			lost += n
			next += n
			continue
		}
		n, err := strconv.Atoi(line[:8])
		if err != nil || n != next {
			return got, lost, fmt.Errorf("line %q, want number %d", line, next)
		}
		got++
		if next = n + 1; n == last {
			return got, lost, nil
		}
	}
}

// A unikernel that floods its console delays no other one, takes no more memory
// than it may, and a subscriber that does not read hurts nobody. All lines are
// accounted for.
func TestFlood(t *testing.T) {
	const total = 10 << 20 / 40 // lines, of some 40 bytes
	r := start(t)
	flood, other := r.unikernel("f:flood"), r.unikernel(":other")
	r.add("f:flood", 1)
	r.add(":other", 1)
	stuck := r.subscribe("f:flood", 0, "subscribed")
	observer := r.subscribe(":other", 0, "subscribed")
	reading := r.subscribe("f:flood", 0, "subscribed")
	var wg sync.WaitGroup
	wg.Go(func() {
		got, lost, err := reading.follow(total - 1)
		if err != nil || got+lost != total {
			t.Errorf("a subscriber got %d lines and lost %d of %d: %v", got, lost, total, err)
		}
		t.Logf("a subscriber got %d lines and lost %d", got, lost)
	})
	const step = 1000
	for i := 0; i < total; i += step {
		flood.print(numbered(i, min(i+step, total)))
		if i%(20*step) == 0 {
			other.print("tick\n")
			observer.expectLines("tick")
		}
	}
	wg.Wait()
	got, lost, err := stuck.follow(total - 1)
	if err != nil || got+lost != total || lost == 0 {
		t.Errorf("the stuck subscriber got %d lines and lost %d of %d: %v", got, lost, total, err)
	}
	if m := r.feed("f:flood").memory(); m > DefaultLimits().TailBytes {
		t.Errorf("the console takes %d bytes", m)
	}
	_, _ = stuck.Close(), reading.Close()
	testutil.Eventually(t, patience, func() error {
		if m := r.feed("f:flood").memory(); m > DefaultLimits().RingBytes {
			return fmt.Errorf("without subscribers the console takes %d bytes", m)
		}
		return nil
	})
}

func (r *rig) feed(n string) *feed {
	r.daemon.mu.Lock()
	defer r.daemon.mu.Unlock()
	return r.daemon.consoles[name(r.t, n)].feed
}

func (f *feed) memory() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ring.Memory()
}

// A flood without a line end is one line.
func TestFloodOfOneLine(t *testing.T) {
	r := start(t)
	u := r.unikernel(":x")
	r.add(":x", 1)
	c := r.subscribe(":x", 0, "subscribed")
	u.print(strings.Repeat("z", 4<<20) + "\nend\n")
	c.expectLines(strings.Repeat("z", 512)+" [truncated]", "end")
}

// BenchmarkConsole writes through a real FIFO as fast as the daemon reads, and
// says how much of it the subscribers that read have got.
func BenchmarkConsole(b *testing.B) {
	for _, bench := range []struct{ reading, stuck int }{{0, 0}, {1, 0}, {5, 0}, {4, 1}} {
		b.Run(fmt.Sprintf("reading=%d/stuck=%d", bench.reading, bench.stuck), func(b *testing.B) {
			benchmark(b, bench.reading, bench.stuck)
		})
	}
}

func benchmark(b *testing.B, reading, stuck int) {
	const lines = 1000
	r := newRig(b)
	r.serve(DefaultLimits())
	r.unikernel(":x")
	r.add(":x", 1)
	for range stuck {
		r.subscribe(":x", 0, "subscribed")
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	received, last := 0, []byte("99999999 the end\n")
	for range reading {
		c := r.subscribe(":x", 0, "subscribed")
		wg.Go(func() {
			got, err := countFrames(bufio.NewReaderSize(c, 256<<10), last)
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			received += got
			mu.Unlock()
		})
	}
	fifo, err := os.OpenFile(r.tmp.FIFO(name(b, ":x")), os.O_WRONLY|syscall.O_NONBLOCK, 0) // waits for room in Write
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = fifo.Close() }()
	chunk := []byte(numbered(0, lines))
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if _, err := fifo.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if _, err := io.Copy(fifo, bytes.NewReader(last)); err != nil {
		b.Fatal(err)
	}
	wg.Wait()
	testutil.Eventually(b, patience, func() error {
		f := r.feed(":x")
		f.mu.Lock()
		defer f.mu.Unlock()
		for l := range f.ring.Newest(1) {
			if bytes.HasPrefix(l.Text, last[:8]) {
				return nil
			}
		}
		return errors.New("the last line has not come")
	})
	b.ReportMetric(float64(lines*b.N)/b.Elapsed().Seconds(), "lines/s")
	if reading > 0 {
		b.ReportMetric(100*float64(received)/float64(lines*b.N*reading), "%received")
	}
}

// countFrames counts the frames before the one that ends in last. It does as
// little else as it can, for it takes processor time from what is measured.
func countFrames(r *bufio.Reader, last []byte) (n int, err error) {
	last = bytes.TrimSpace(last)
	for ; ; n++ {
		head, err := r.Peek(4)
		if err != nil {
			return n, err
		}
		size := 4 + int(binary.BigEndian.Uint32(head))
		frame, err := r.Peek(size)
		if err != nil || bytes.HasSuffix(frame, last) {
			return n, err
		}
		if _, err := r.Discard(size); err != nil {
			return n, err
		}
	}
}
