package supervisor

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"albatross/internal/testutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything here may take.
const patience = 20 * time.Second

// sleeper starts a process that does nothing, for as long as the test.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // may have ended
		_ = cmd.Wait()
	})
	return cmd
}

// within fails the test unless the channel is closed in time.
func within(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s: not in time", what)
	}
}

// messages collects what a supervisor says or shows.
type messages struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (m *messages) say(text string) { _, _ = m.Write([]byte(text + "\n")) }

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(p)
}

func (m *messages) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// shell is a daemon that is a script. It is ready once it has made the file that
// is its socket.
func shell(dir Dir, name, script string) Daemon {
	socket := filepath.Join(dir.Tmp().Util(), name)
	return Daemon{
		Program: name, Path: "/bin/sh", Args: []string{"-c", script, name, socket}, Network: "unix", Socket: socket,
		Ready: func(context.Context) error {
			_, err := os.Stat(socket)
			return err
		},
	}
}

// Scripts of daemons. They end by themselves if the test forgets them.
const (
	good     = `echo ready; : >"$1"; exec sleep 1000`
	fails    = `echo first; echo cannot go on; exit 3`
	stubborn = `trap "" TERM; : >"$1"; for i in $(seq 1000); do sleep 0.1; done`
)

// newSupervisor returns one of an empty directory.
func newSupervisor(t *testing.T, daemons func(Dir) []Daemon) (*Supervisor, *messages) {
	t.Helper()
	dir, said := Dir(testutil.TempDirShort(t)), new(messages)
	s := &Supervisor{
		Dir: dir, Daemons: daemons(dir), Env: os.Environ(), Say: said.say,
		Stop: func(context.Context) error { said.say("stop"); return nil },
	}
	t.Cleanup(func() {
		for _, d := range s.Daemons {
			if id, err := readPid(dir.pidFile(d.Program)); err == nil {
				t.Errorf("%s is left as process %d", d.Program, id.pid)
				_ = syscall.Kill(id.pid, syscall.SIGKILL)
			}
		}
	})
	return s, said
}

// run runs a supervisor until the function that it returns is called.
func run(t *testing.T, s *Supervisor) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() error { close(ready); return nil }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	case <-time.After(patience):
		t.Fatal("not ready in time")
	}
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("did not end in time")
		}
	}
}

// eventually waits for words among the messages.
func (m *messages) eventually(t *testing.T, words string) {
	t.Helper()
	testutil.Eventually(t, patience, func() error {
		if !strings.Contains(m.String(), words) {
			return errors.New(words + " is not in " + m.String())
		}
		return nil
	})
}
