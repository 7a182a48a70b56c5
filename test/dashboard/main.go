// Dashboard draws deploy/prometheus/albatross-dashboard.json without Grafana, as a
// picture for the documentation: it runs unikernels of different kinds for some
// minutes, has a real Prometheus scrape albatross-stats, asks it each query of the
// dashboard and draws the answers where the dashboard puts them.
//
//	go run ./test/dashboard -for 5m bin docs/screens/dashboard.svg
//
//	main.go       the network namespace in which all of this happens
//	host.go       the daemons, the unikernels and what they go through
//	prometheus.go Prometheus, and questions to it
//	model.go      the dashboard, as far as it is drawn
//	draw.go       panels    plot.go  curves and their axes    units.go  numbers
//
// It needs root and prometheus. What Grafana does and this does not: everything
// that one can click.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// insideEnv marks the process that runs in the network namespace.
const insideEnv = "ALBATROSS_DASHBOARD_INSIDE"

func main() {
	span := flag.Duration("for", 5*time.Minute, "how long unikernels run before the dashboard is drawn")
	model := flag.String("dashboard", "deploy/prometheus/albatross-dashboard.json", "the dashboard")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboard [-for TIME] [-dashboard FILE] DIRECTORY-OF-PROGRAMS PICTURE.svg")
		os.Exit(124)
	}
	err := enterNamespace()
	if err == nil && os.Getenv(insideEnv) != "" {
		err = run(flag.Arg(0), *model, flag.Arg(1), *span)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

// enterNamespace runs this program again in a network namespace of its own, unless
// it is there already.
func enterNamespace() error {
	if os.Getenv(insideEnv) != "" {
		return nil
	}
	// The child gets SIGTERM when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := os.StartProcess(self, os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), insideEnv+"=1"),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM},
	})
	if err != nil {
		return fmt.Errorf("entering a network namespace, which needs root: %w", err)
	}
	signal.Ignore(syscall.SIGINT) // the child gets it too, and cleans up
	state, err := p.Wait()
	if err == nil && !state.Success() {
		err = errors.New("there is no picture")
	}
	return err
}

func run(bin, model, picture string, span time.Duration) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	board, err := readDashboard(model)
	if err != nil {
		return err
	}
	h, err := newHost(ctx, bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.end()) }()
	asked, err := h.scrape(ctx, filepath.Dir(model))
	if err != nil {
		return err
	}
	began := time.Now()
	if err := h.play(ctx, span); err != nil {
		return err
	}
	svg, err := draw(ctx, board, asked, began, time.Now())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(picture), 0o755); err != nil {
		return err
	}
	return os.WriteFile(picture, svg, 0o644)
}
