package supervisor

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"
)

func two(first, second string) func(Dir) []Daemon {
	return func(d Dir) []Daemon { return []Daemon{shell(d, "first", first), shell(d, "second", second)} }
}

func TestRun(t *testing.T) {
	s, said := newSupervisor(t, two(good, good))
	shown := new(messages)
	s.Show = shown
	stop := run(t, s)
	before, err := readPid(s.Dir.pidFile("second"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(before.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	said.eventually(t, "second ended with signal: killed: starting it again in 100ms")
	testutil.Eventually(t, patience, func() error {
		after, err := readPid(s.Dir.pidFile("second"))
		if err == nil && after == before {
			err = errors.New("it is still the same")
		}
		return err
	})
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !strings.HasSuffix(said.String(), "stop\n") {
		t.Errorf("it did not stop unikernels: %s", said)
	}
	if want := "second            | ready\n"; strings.Count(shown.String(), want) != 2 {
		t.Errorf("%q is not twice in %q", want, shown)
	}
	for _, d := range s.Daemons {
		if _, err := os.Stat(d.Socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket of %s is left: %v", d.Program, err)
		}
	}
}

// TestHostGoesDown has a daemon end with daemon.ExitDown: nothing is started again,
// and everything ends as after an interrupt. Any other end leads to a new start.
func TestHostGoesDown(t *testing.T) {
	s, said := newSupervisor(t, two(good, `: >"$1"; while test -e "$1"; do sleep 0.01; done; exit 3`))
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context(), func() error { close(ready); return nil }) }()
	within(t, ready, "start")
	if err := os.Remove(s.Daemons[1].Socket); err != nil { // which it waits for
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run does not end")
	}
	if want := "second ended since the host goes down\n"; said.String() != want {
		t.Errorf("it said %q, want %q", said, want)
	}
	for _, d := range s.Daemons {
		if id, err := readPid(s.Dir.pidFile(d.Program)); err == nil {
			t.Errorf("%s still runs as process %d", d.Program, id.pid)
		}
	}
}

// TestAwaitUp waits for daemons that another supervisor keeps.
func TestAwaitUp(t *testing.T) {
	s, _ := newSupervisor(t, two(good, good))
	if err := s.AwaitUp(t.Context()); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("where nobody is up: %v", err)
	}
	stop := run(t, s)
	if err := s.AwaitUp(t.Context()); err != nil {
		t.Errorf("AwaitUp: %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	for _, file := range []func(Dir) string{Dir.upFile, func(d Dir) string { return d.Log("first") }, func(d Dir) string { return d.pidFile("first") }} {
		s, _ := newSupervisor(t, two(good, good))
		if err := s.Dir.Make(); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(file(s.Dir), 0o700); err != nil {
			t.Fatal(err)
		}
		err := s.Run(t.Context(), func() error { return errors.New("must not be called") })
		e, ok := errors.AsType[*api.Error](err)
		if !ok || e.Code != api.Invalid || !strings.Contains(e.Sentence, "directory "+string(s.Dir)) || !strings.Contains(e.Hint, "--dir") {
			t.Errorf("%s cannot be written: %#v", file(s.Dir), err)
		}
	}
}

func TestStartFails(t *testing.T) {
	s, said := newSupervisor(t, two(good, fails))
	err := s.Run(t.Context(), func() error { return errors.New("must not be called") })
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Sentence != "second does not start: it ended with exit status 3: cannot go on" || e.Hint != "its log is "+s.Dir.Log("second") {
		t.Errorf("Run: %#v", err)
	}
	if said.String() != "" {
		t.Errorf("it said %q", said)
	}
}

func TestReadyFails(t *testing.T) {
	s, _ := newSupervisor(t, two(good, good))
	full := errors.New("the pipe is closed")
	if err := s.Run(t.Context(), func() error { return full }); !errors.Is(err, full) {
		t.Errorf("Run: %v", err)
	}
}

// TestInterruptedStart has the interrupt come while a daemon does not answer.
func TestInterruptedStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, said := newSupervisor(t, two(good, `exec sleep 1000`))
	s.Daemons[1].Ready = func(context.Context) error {
		cancel()
		return errors.New("not yet")
	}
	if err := s.Run(ctx, func() error { return errors.New("must not be called") }); err != nil {
		t.Errorf("Run: %v", err)
	}
	if strings.Contains(said.String(), "stop") {
		t.Error("unikernels were stopped before the daemon ran that knows them")
	}
}

// TestFailedStartLeavesTheAdopted has a daemon of an earlier run go on when a new
// one does not start.
func TestFailedStartLeavesTheAdopted(t *testing.T) {
	s, _ := newSupervisor(t, two(good, fails))
	if err := s.Dir.Make(); err != nil {
		t.Fatal(err)
	}
	cmd := sleeper(t)
	id, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := writePid(s.Dir.pidFile("first"), id); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Daemons[0].Socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), func() error { return nil }); err == nil {
		t.Error("Run found nothing wrong")
	}
	if _, err := identify(id.pid); err != nil {
		t.Fatalf("the adopted process is gone: %v", err)
	}
	// Down ends it.
	if ran, err := s.Down(t.Context()); err != nil || !ran {
		t.Errorf("Down = %t, %v", ran, err)
	}
	if _, err := identify(id.pid); err == nil {
		t.Error("Down left it")
	}
	if ran, err := s.Down(t.Context()); err != nil || ran {
		t.Errorf("Down again = %t, %v", ran, err)
	}
}

func TestStubbornDaemonIsKilled(t *testing.T) {
	s, said := newSupervisor(t, two(good, stubborn))
	s.Patience = 100 * time.Millisecond
	if err := run(t, s)(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !strings.Contains(said.String(), "second did not end within 100ms and was killed") {
		t.Errorf("it said %q", said)
	}
}

func TestDirectoryThatIsNone(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, "/" + strings.Repeat("long/", 30)} {
		s := &Supervisor{Dir: Dir(dir)}
		err := s.Run(t.Context(), nil)
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Invalid || e.Hint == "" {
			t.Errorf("Run in %s: %v", dir, err)
		}
	}
}
