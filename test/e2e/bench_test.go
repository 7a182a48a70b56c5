package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

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
	report(b, "line", all)
}

// BenchmarkRemoteCreateToFirstLine is goal 10: the same over TLS, with a
// certificate made for the command.
func BenchmarkRemoteCreateToFirstLine(b *testing.B) {
	w := &world{t: b, dir: testutil.TempDirShort(b)}
	ca := filepath.Join(w.dir, "ca")
	w.ok("ca", "create", ca, "--host", "127.0.0.1")
	b.Cleanup(w.checkNothingLeft)
	w.ok("up", "--dir", w.dir, "--detach", "--remote-ca", filepath.Join(ca, "cacert.pem"), "--listen", "127.0.0.1:1025")
	b.Cleanup(func() { w.ok("down", "--dir", w.dir) })
	image := imageFile(b, "spt", "hello")
	root := filepath.Join(ca, "cacert.pem")
	from := []string{"--remote", "127.0.0.1", "--ca", root, "--ca-key", filepath.Join(ca, "ca.key"), "--server-ca", root}
	n := 0
	var all []time.Duration
	for b.Loop() {
		n++
		all = append(all, w.createToFirstLine(b, fmt.Sprintf("hello%d", n), image, from...))
	}
	report(b, "line", all)
}

func (w *world) client() client.Client {
	return client.Client{Tmp: paths.Tmp(filepath.Join(w.dir, "run")), Program: "bench"}
}

// createToFirstLine subscribes first, so that nothing but the create counts.
func (w *world) createToFirstLine(b *testing.B, name, image string, from ...string) time.Duration {
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
	cmd := w.command("albatross", append(from, "create", name, image)...)
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
	report(b, "line", all)
}
