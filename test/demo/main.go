// Demo shows the whole system at work, with real unikernels, in a temporary
// directory: it types the commands that a person would type and shows what they
// answer, with the time each took. As root it does so in a network namespace of
// its own, with a bridge in it; otherwise without a network. Nothing is left
// behind.
//
//	go run ./test/demo bin
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

// insideEnv marks the process that runs in the network namespace.
const insideEnv = "ALBATROSS_DEMO_INSIDE"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo DIRECTORY-OF-PROGRAMS")
		os.Exit(124)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(bin string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	network := os.Geteuid() == 0
	if network && os.Getenv(insideEnv) == "" {
		return enterNamespace(bin)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	d, err := newDemo(bin, network)
	if err != nil {
		return err
	}
	err = d.play(ctx)
	return d.cleanUp(err)
}

// enterNamespace runs this program again in a network namespace of its own.
func enterNamespace(bin string) error {
	// The child gets SIGTERM when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := os.StartProcess(self, []string{"demo", bin}, &os.ProcAttr{
		Env:   append(os.Environ(), insideEnv+"=1"),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM},
	})
	if err != nil {
		return fmt.Errorf("entering a network namespace: %w", err)
	}
	signal.Ignore(syscall.SIGINT) // the child gets it too, and cleans up
	state, err := p.Wait()
	if err != nil {
		return err
	}
	if !state.Success() {
		os.Exit(1)
	}
	return nil
}
