package e2e

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/client"
	"albatross/internal/paths"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// BenchmarkCreateToFirstLine is goal 1: from the start of the process albatross
// create until the first line of the hello unikernel is with a subscriber.
func BenchmarkCreateToFirstLine(b *testing.B) {
	w := newWorld(b)
	image := imageFile(b, "spt", "hello")
	n := 0
	var all []time.Duration
	for b.Loop() {
		n++
		all = append(all, w.createToFirstLine(b, fmt.Sprintf("hello%d", n), image))
	}
	report(b, all)
}

// report adds the median and the 99th percentile to what a benchmark says.
func report(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "µs-p99")
}

func (w *world) client() client.Client {
	return client.Client{Tmp: paths.Tmp(filepath.Join(w.dir, "run")), Program: "bench"}
}

// createToFirstLine subscribes first, so that nothing but the create counts.
func (w *world) createToFirstLine(b *testing.B, name, image string) time.Duration {
	b.Helper()
	n, err := vm.ParseName(name)
	must(b, err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	waiting, line, done := make(chan struct{}), make(chan time.Time, 1), make(chan error, 1)
	go func() {
		done <- w.client().Console(ctx, client.Subscription{Name: n, Follow: true, Waiting: func() { close(waiting) }}, func(client.Line) error {
			select {
			case line <- time.Now():
			default:
			}
			return nil
		})
	}()
	<-waiting
	cmd := w.command("albatross", "create", name, image)
	began := time.Now()
	must(b, cmd.Start())
	var first time.Time
	select {
	case first = <-line:
	case <-ctx.Done():
		b.Fatal("no line came")
	}
	must(b, cmd.Wait())
	cancel()
	must(b, <-done)
	return first.Sub(began)
}

// BenchmarkCreate is goal 2, seen from a client that is there already: request,
// durable commit, reply; the unikernel runs.
func BenchmarkCreate(b *testing.B) {
	for _, running := range []int{0, 100} {
		b.Run(fmt.Sprintf("running=%d", running), func(b *testing.B) {
			w := newWorld(b)
			for i := range running {
				must(b, w.create(fmt.Sprintf("idle%d", i), "ticker", "--interval=3600000"))
			}
			var all []time.Duration
			n := 0
			for b.Loop() {
				n++
				began := time.Now()
				must(b, w.create(fmt.Sprintf("hello%d", n), "hello"))
				all = append(all, time.Since(began))
			}
			report(b, all)
		})
	}
}

func (w *world) create(name, guestName string, argv ...string) error {
	n, err := vm.ParseName(name)
	if err != nil {
		return err
	}
	image, err := guest.Image("spt", guestName)
	if err != nil {
		return err
	}
	_, err = w.client().Create(context.Background(), client.Creation{
		Name: n, Image: bytes.NewReader(image), Size: int64(len(image)),
		Config: vm.Config{Arguments: vm.Arguments{CPUs: vm.MakeSet(0), Memory: 32, Argv: argv, NumCPUs: 1}},
	})
	return err
}

// BenchmarkHVTHello is the hvt side of goal 1. Where guests are interpreted it is
// a figure for regressions only.
func BenchmarkHVTHello(b *testing.B) {
	testutil.RequireKVM(b)
	w := newWorld(b)
	image := imageFile(b, "hvt", "hello")
	n := 0
	var all []time.Duration
	for b.Loop() {
		n++
		all = append(all, w.createToFirstLine(b, fmt.Sprintf("hello%d", n), image))
	}
	report(b, all)
}
