package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the keeper too: a keeper reaps all children
// of its process, so it needs one of its own.
func TestMain(m *testing.M) {
	if path := os.Getenv("KEEPER_TEST_SOCKET"); path != "" {
		l, err := Listen(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		ctx := context.Background()
		if err := New(slog.New(slog.NewTextHandler(os.Stderr, nil))).Serve(ctx, l); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// startKeeper runs a keeper in a process of its own and returns its socket and
// its pid.
func startKeeper(t *testing.T) (string, int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "k")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "KEEPER_TEST_SOCKET="+path)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := os.Stat(path); err == nil {
			return path, cmd.Process.Pid
		}
		if time.Now().After(deadline) {
			t.Fatal("the keeper does not listen")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

type exits struct {
	mu  sync.Mutex
	got map[string]Process
	all chan Process
}

func dial(t *testing.T, path string) (*Client, *exits) {
	t.Helper()
	e := &exits{got: map[string]Process{}, all: make(chan Process, 10000)}
	var c *Client
	deadline := time.Now().Add(10 * time.Second)
	for {
		var err error
		c, err = Dial(t.Context(), path, func(p Process) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.got[p.ID] = p
			e.all <- p
		})
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { c.Close() })
	return c, e
}

func (e *exits) next(t *testing.T) Process {
	t.Helper()
	select {
	case p := <-e.all:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("no exit was reported")
		return Process{}
	}
}

// spawnShell starts a shell that runs script, and returns the reading end of
// its console.
func spawnShell(t *testing.T, c *Client, id, script string) (*os.File, Process, error) {
	t.Helper()
	sh, err := os.Open("/bin/sh")
	must(t, err)
	r, w, err := os.Pipe()
	must(t, err)
	defer sh.Close()
	defer w.Close()
	fds := []int{int(r.Fd()), int(w.Fd()), int(w.Fd()), int(sh.Fd())}
	p, err := c.Spawn(t.Context(), Spawn{ID: id, Name: id, Argv: []string{"sh", "-c", script}}, fds)
	t.Cleanup(func() { r.Close() })
	return r, p, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSpawnWatchForget(t *testing.T) {
	path, _ := startKeeper(t)
	c, e := dial(t, path)
	must(t, c.Watch(t.Context()))
	console, p, err := spawnShell(t, c, "one", "echo hello; env; exit 7")
	must(t, err)
	if p.PID <= 0 || !p.Running() {
		t.Errorf("spawned process is %+v", p)
	}
	end := e.next(t)
	if end.ID != "one" || !end.Status.Exited() || end.Status.ExitStatus() != 7 || end.Running() {
		t.Errorf("exit is %+v", end)
	}
	// The keeper holds the console until told to forget.
	must(t, c.Forget(t.Context(), "one"))
	out, err := io.ReadAll(console)
	must(t, err)
	if lines := strings.Fields(string(out)); len(lines) == 0 || lines[0] != "hello" {
		t.Errorf("console has %q", out)
	}
	if strings.Contains(string(out), "KEEPER_TEST_SOCKET") {
		t.Errorf("the keeper's environment reached the child: %q", out)
	}
	if err := c.Forget(t.Context(), "one"); !errors.Is(err, ErrUnknown) {
		t.Errorf("forgetting twice: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	path, _ := startKeeper(t)
	c, _ := dial(t, path)
	_, _, err := spawnShell(t, c, "one", "sleep 100")
	must(t, err)
	if _, _, err := spawnShell(t, c, "one", "sleep 100"); !errors.Is(err, ErrExists) {
		t.Errorf("the same id twice: %v", err)
	}
	if err := c.Forget(t.Context(), "one"); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("forgetting a running process: %v", err)
	}
	if err := c.Signal(t.Context(), "two", syscall.SIGKILL); !errors.Is(err, ErrUnknown) {
		t.Errorf("signal to nobody: %v", err)
	}
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	fd := int(null.Fd())
	if _, err := c.Spawn(t.Context(), Spawn{ID: "bad", Argv: []string{"x"}}, []int{fd, fd, fd, fd}); err == nil {
		t.Error("executing /dev/null worked")
	}
	if all, err := c.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("list is %v, %v; want one process", all, err)
	}
	must(t, c.Signal(t.Context(), "one", syscall.SIGKILL))
}

// TestRemembersWhileNobodyWatches is what the keeper is for: the daemon goes
// away, processes end and go on, a new daemon finds all of them.
func TestRemembersWhileNobodyWatches(t *testing.T) {
	path, keeperPID := startKeeper(t)
	c, _ := dial(t, path)
	_, _, err := spawnShell(t, c, "ends", "exit 3")
	must(t, err)
	_, stays, err := spawnShell(t, c, "stays", "sleep 100")
	must(t, err)
	_, _, err = spawnShell(t, c, "killed", "kill -SEGV $$")
	must(t, err)
	must(t, c.Close())
	if _, err := c.List(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("list on a closed connection: %v", err)
	}

	c, e := dial(t, path)
	must(t, c.Watch(t.Context()))
	for range 2 {
		switch p := e.next(t); {
		case p.ID == "ends" && p.Status.ExitStatus() == 3:
		case p.ID == "killed" && p.Status.Signal() == syscall.SIGSEGV:
		default:
			t.Errorf("unexpected exit %+v", p)
		}
	}
	all, err := c.List(t.Context())
	must(t, err)
	if len(all) != 3 {
		t.Errorf("list is %v; want three processes", all)
	}
	must(t, c.Signal(t.Context(), "stays", syscall.SIGKILL))
	if p := e.next(t); p.ID != "stays" || p.PID != stays.PID || p.Status.Signal() != syscall.SIGKILL {
		t.Errorf("exit is %+v", p)
	}
	for _, id := range []string{"ends", "killed", "stays"} {
		must(t, c.Forget(t.Context(), id))
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", keeperPID))
	must(t, err)
	if len(fds) > 12 {
		t.Errorf("the keeper holds %d descriptors", len(fds))
	}
}

func TestManyInParallel(t *testing.T) {
	path, keeperPID := startKeeper(t)
	c, e := dial(t, path)
	must(t, c.Watch(t.Context()))
	const n = 100
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, _, err := spawnShell(t, c, fmt.Sprint(i), fmt.Sprintf("exit %d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range n {
		p := e.next(t)
		if fmt.Sprint(p.Status.ExitStatus()) != p.ID {
			t.Errorf("process %s ended with %#x", p.ID, p.Status)
		}
		must(t, c.Forget(t.Context(), p.ID))
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", keeperPID, keeperPID))
	if err == nil && len(children) > 0 {
		t.Errorf("children are left: %s", children)
	}
}

func TestGarbageEndsConnectionOnly(t *testing.T) {
	path, _ := startKeeper(t)
	c, _ := dial(t, path)
	if _, err := c.conn.Write([]byte("{not json")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the connection goes on")
	}
	c, _ = dial(t, path)
	if _, err := c.List(t.Context()); err != nil {
		t.Errorf("the next connection: %v", err)
	}
}

func TestSecondKeeperRefuses(t *testing.T) {
	path, _ := startKeeper(t)
	dial(t, path)
	if l, err := Listen(path); err == nil {
		l.Close()
		t.Error("a second keeper listens on the same socket")
	}
}
