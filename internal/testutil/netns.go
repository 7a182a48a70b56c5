package testutil

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"albatross/internal/linux"

	"github.com/vishvananda/netlink"
)

// Netns puts the rest of the test into a new network namespace, in which there
// is nothing but a loopback interface that is up, and which is gone after the
// test. Without root the test is skipped.
//
// The namespace belongs to the thread that the test's goroutine is locked to
// from now on. Child processes started by that goroutine and sockets opened by
// it are inside; other goroutines, subtests included, are not. Whatever needs
// more than one thread in the namespace uses MainInNetns.
func Netns(t testing.TB) {
	t.Helper()
	RequireRoot(t)
	// Never unlocked: the runtime ends the thread with the goroutine, rather
	// than let another goroutine find itself in this namespace.
	runtime.LockOSThread()
	if err := errors.Join(linux.UnshareNet(), loopbackUp()); err != nil {
		t.Fatal(err)
	}
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("set up loopback interface: %w", err)
	}
	return nil
}

// AddBridge makes a bridge that is up, in the network namespace of the calling
// thread, and removes it at the end of the test. cidr is its address
// ("10.0.0.1/24"), or "" for none.
func AddBridge(t testing.TB, name, cidr string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatalf("add bridge %s: %v", name, err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(bridge) }) // the test may have done so
	if cidr != "" {
		addr, err := netlink.ParseAddr(cidr)
		if err != nil {
			t.Fatalf("bridge %s: %v", name, err)
		}
		if err := netlink.AddrAdd(bridge, addr); err != nil {
			t.Fatalf("add address %s to bridge %s: %v", cidr, name, err)
		}
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		t.Fatalf("set bridge %s up: %v", name, err)
	}
}

// Main is a *testing.M, or what stands for one.
type Main interface {
	// Run runs the tests and returns the exit status.
	Run() int
}

// insideEnv marks the process that InNetns started. Its value is never read.
const insideEnv = "ALBATROSS_TEST_INSIDE_NETNS"

// MainInNetns runs the tests of a package in a network namespace of their own;
// it is what a TestMain consists of:
//
//	func TestMain(m *testing.M) { os.Exit(testutil.MainInNetns(m)) }
//
// It executes the test binary again, so all threads and all processes that the
// tests start are inside. The outer process is the subreaper: it adopts and
// reaps what outlives its parent, and if processes are left a while after the
// tests, it kills them, names them and returns failure.
//
// Without root the tests run where they are; those that call RequireRoot skip.
func MainInNetns(m Main) int { return InNetns(m).Run() }

// InNetns is MainInNetns as a Main, for testscript.Main, which looks first
// whether the test binary was called as one of its commands:
//
//	testscript.Main(testutil.InNetns(m), commands)
func InNetns(m Main) Main { return inNetns{m} }

type inNetns struct{ m Main }

func (n inNetns) Run() int {
	if _, inside := os.LookupEnv(insideEnv); inside {
		if err := loopbackUp(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return n.m.Run()
	}
	if checkRoot() != nil {
		return n.m.Run()
	}
	status, err := runInside(os.Stderr, leakPatience)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// runInside executes this program again in a new network namespace and returns
// its exit status, or 1 if it left processes behind that do not end by
// themselves within patience.
func runInside(messages io.Writer, patience time.Duration) (int, error) {
	if err := linux.SetChildSubreaper(); err != nil {
		return 0, err
	}
	// SIGKILL on the death of the parent means of the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	child, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), insideEnv+"=1"),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, fmt.Errorf("run tests in a network namespace: %w", err)
	}
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		for s := range signals {
			_ = syscall.Kill(child, s.(syscall.Signal))
		}
	}()
	status, err := reapUntil(child)
	signal.Stop(signals)
	close(signals)
	<-forwarded
	if err != nil {
		return 0, err
	}
	if left := reapRest(patience); len(left) > 0 {
		fmt.Fprintf(messages, "the tests left processes behind, which were killed: %v\n", left)
		return max(status, 1), nil
	}
	return status, nil
}

// reapUntil reaps children and adopted orphans until the given child has ended
// and returns what a shell would give as its status.
func reapUntil(child int) (int, error) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, fmt.Errorf("wait for tests: %w", err)
		case pid == child && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case pid == child:
			return ws.ExitStatus(), nil
		}
	}
}

// reapRest gives orphans some time to end, then kills and returns those that
// did not.
func reapRest(patience time.Duration) []Process {
	ended := func() error {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			switch {
			case err == syscall.EINTR:
			case err == syscall.ECHILD:
				return nil
			case err != nil:
				return err
			case pid == 0:
				return errors.New("processes are left")
			}
		}
	}
	if poll(patience, ended) == nil {
		return nil
	}
	var killed []Process
	// Killing a process hands its children to this one, hence the repetition.
	_ = poll(leakPatience, func() error {
		for _, p := range Descendants(os.Getpid()) {
			if syscall.Kill(p.PID, syscall.SIGKILL) == nil {
				killed = append(killed, p)
			}
		}
		return ended()
	})
	return killed
}
