package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// TestMain lets the test binary be the keeper too: a keeper reaps all children
// of its process, so it needs one of its own.
func TestMain(m *testing.M) {
	if path := os.Getenv("KEEPER_TEST_SOCKET"); path != "" {
		l, err := Listen(path, path+".lock")
		if err == nil {
			err = Confine()
		}
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
	p, err := c.Spawn(t.Context(), Spawn{ID: id, Name: id, Argv: [][]byte{[]byte("sh"), []byte("-c"), []byte(script)}}, fds)
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
	before := time.Now()
	console, p, err := spawnShell(t, c, "one", "echo hello; env; exit 7")
	must(t, err)
	if p.PID <= 0 || !p.Running() {
		t.Errorf("spawned process is %+v", p)
	}
	end := e.next(t)
	if end.ID != "one" || !end.Status.Exited() || end.Status.ExitStatus() != 7 || end.Running() {
		t.Errorf("exit is %+v", end)
	}
	if end.Ran <= 0 || end.Ran > time.Since(before) {
		t.Errorf("it ran for %v", end.Ran)
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
	if err := c.Signal(t.Context(), "two", syscall.SIGKILL, NoPurpose); !errors.Is(err, ErrUnknown) {
		t.Errorf("signal to nobody: %v", err)
	}
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	fd := int(null.Fd())
	if _, err := c.Spawn(t.Context(), Spawn{ID: "bad", Argv: [][]byte{[]byte("x")}}, []int{fd, fd, fd, fd}); err == nil {
		t.Error("executing /dev/null worked")
	}
	if all, err := c.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("list is %v, %v; want one process", all, err)
	}
	must(t, c.Signal(t.Context(), "one", syscall.SIGKILL, NoPurpose))
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
	must(t, c.Signal(t.Context(), "stays", syscall.SIGKILL, NoPurpose))
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

// TestChildIsConfined looks at a child from outside: it has what it was given
// and nothing else.
func TestChildIsConfined(t *testing.T) {
	path, keeperPID := startKeeper(t)
	c, _ := dial(t, path)
	_, p, err := spawnShell(t, c, "one", "sleep 100")
	must(t, err)
	proc := fmt.Sprintf("/proc/%d/", p.PID)
	status, err := os.ReadFile(proc + "status")
	must(t, err)
	for _, want := range []string{"NoNewPrivs:\t1\n", "CapBnd:\t0000000000000000\n"} {
		if os.Getuid() == 0 && !strings.Contains(string(status), want) {
			t.Errorf("status has no %q:\n%s", want, status)
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	must(t, err)
	if !regexp.MustCompile(`Max core file size +0 +0 `).Match(limits) {
		t.Errorf("core dumps are allowed:\n%s", limits)
	}
	fds, err := os.ReadDir(proc + "fd")
	must(t, err)
	if len(fds) != 4 {
		t.Errorf("the child has %d descriptors, want the 4 it was given", len(fds))
	}
	must(t, syscall.Kill(keeperPID, syscall.SIGKILL))
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(p.PID, 0) == nil; time.Sleep(time.Millisecond) {
		if stat, err := os.ReadFile(proc + "stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the child outlives the keeper")
		}
	}
}

func TestCPUsAndUser(t *testing.T) {
	path, _ := startKeeper(t)
	c, e := dial(t, path)
	must(t, c.Watch(t.Context()))
	sh, err := os.Open("/bin/sh")
	must(t, err)
	defer sh.Close()
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	s := Spawn{ID: "x", Name: "x", Argv: [][]byte{[]byte("sh"), []byte("-c"), []byte("grep -E '^(Uid|Groups|Cpus_allowed_list)' /proc/self/status; printf '%s' \"$0\""), {0xff, 0xfe}}, CPUs: []int{0}}
	if os.Getuid() == 0 {
		s.UID, s.GID = 1_900_000_123, 1_900_000_123
	}
	fds := []int{int(r.Fd()), int(w.Fd()), int(w.Fd()), int(sh.Fd())}
	_, err = c.Spawn(t.Context(), s, fds)
	must(t, err)
	must(t, w.Close())
	e.next(t)
	must(t, c.Forget(t.Context(), "x"))
	out, err := io.ReadAll(r)
	must(t, err)
	want := []string{"Cpus_allowed_list:\t0\n", "\xff\xfe"}
	if os.Getuid() == 0 {
		want = append(want, "Uid:\t1900000123\t1900000123\t1900000123\t1900000123\n", "Groups:\t \n")
	}
	for _, want := range want {
		if !strings.Contains(string(out), want) {
			t.Errorf("the child says %q, without %q", out, want)
		}
	}
	s.ID, s.CPUs = "y", []int{1000}
	if _, err := c.Spawn(t.Context(), s, fds[:1]); err == nil {
		t.Error("spawned with one descriptor")
	}
	if _, _, err := spawnShell(t, c, "z", "exit 0"); err != nil {
		t.Errorf("after a failed spawn: %v", err)
	}
}

// TestPurposeIsRemembered kills, and asks with another connection why.
func TestPurposeIsRemembered(t *testing.T) {
	path, _ := startKeeper(t)
	c, _ := dial(t, path)
	for _, why := range []Purpose{Drop, Keep, NoPurpose} {
		_, _, err := spawnShell(t, c, "p"+string(why), "sleep 100")
		must(t, err)
		must(t, c.Signal(t.Context(), "p"+string(why), syscall.SIGKILL, why))
	}
	must(t, c.Close())
	c, e := dial(t, path)
	must(t, c.Watch(t.Context()))
	for range 3 {
		if p := e.next(t); p.ID != "p"+string(p.Stopped) {
			t.Errorf("process %s was stopped to %q", p.ID, p.Stopped)
		}
	}
}

// TestLastConnectionHasTheKeeper takes the keeper from a connection in use.
func TestLastConnectionHasTheKeeper(t *testing.T) {
	path, _ := startKeeper(t)
	first, _ := dial(t, path)
	_, _, err := spawnShell(t, first, "one", "sleep 100")
	must(t, err)
	second, _ := dial(t, path) // which alone changes nothing
	if _, err := first.List(t.Context()); err != nil {
		t.Errorf("the first connection: %v", err)
	}
	if all, err := second.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("the second connection: %v, %v", all, err)
	}
	select {
	case <-first.Done():
	case <-time.After(10 * time.Second):
		t.Error("the first connection goes on")
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
	if l, err := Listen(path, path+".lock"); err == nil {
		l.Close()
		t.Error("a second keeper listens on the same socket")
	}
}

// TestLackOfDescriptorsEndsNothing connects more often than the keeper can take:
// it answers again when there is room.
func TestLackOfDescriptorsEndsNothing(t *testing.T) {
	path, pid := startKeeper(t)
	c, _ := dial(t, path)
	_, _, err := spawnShell(t, c, "one", "sleep 100")
	must(t, err)
	var old syscall.Rlimit
	limit := syscall.Rlimit{Cur: 20, Max: 20}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE,
		uintptr(unsafe.Pointer(&limit)), uintptr(unsafe.Pointer(&old)), 0, 0); errno != 0 {
		t.Skipf("cannot limit the descriptors of the keeper: %v", errno)
	}
	var conns []net.Conn
	for range 30 {
		conn, err := net.DialTimeout("unixpacket", path, time.Second)
		if err != nil {
			break // its queue is full
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		must(t, conn.Close())
	}
	if all, err := c.List(t.Context()); err != nil || len(all) != 1 || !all[0].Running() {
		t.Errorf("the old connection: %v, %v", all, err)
	}
	next, _ := dial(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if all, err := next.List(ctx); err != nil || len(all) != 1 || !all[0].Running() {
		t.Errorf("a new connection: %v, %v", all, err)
	}
}
