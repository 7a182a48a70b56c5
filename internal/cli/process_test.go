package cli_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/cli"
	"albatross/internal/cli/supervisor"
	"albatross/internal/client/clienttest"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// running is the command as a process of its own.
type running struct {
	*exec.Cmd
	out *bufio.Reader
	err *bytes.Buffer // may be read once it has ended
}

// start runs albatross in a process group of its own, as a shell would.
func start(t *testing.T, args ...string) running {
	t.Helper()
	path, err := exec.LookPath("albatross")
	if err != nil {
		t.Fatal(err)
	}
	c := running{Cmd: exec.Command(path, args...), err: new(bytes.Buffer)}
	c.Stderr = c.err
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	t.Cleanup(func() { _ = c.Process.Kill() }) // has ended, if all went well
	return c
}

// interrupt does what Ctrl-C does, and returns what is left of the output and
// how the command ended.
func (c running) interrupt(t *testing.T) (rest string, err error) {
	t.Helper()
	if err := syscall.Kill(-c.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c.out)
	return string(b), errors.Join(err, c.Wait())
}

// listen runs a fake daemon for as long as the test.
func listen(t *testing.T, socket string, serve func(net.Conn)) *clienttest.Server {
	t.Helper()
	s, err := clienttest.Listen(socket, serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// follow starts to follow the console of the unikernel x, which wrote a line.
func follow(t *testing.T, tmp paths.Tmp, old bool) running {
	t.Helper()
	lines := clienttest.Consoles{Lines: map[vm.Name][]clienttest.Line{named(t, "x"): {{Time: time.Unix(0, 0), Text: "hello"}}}}
	listen(t, tmp.Console(), lines.Daemon(old).Serve)
	c := start(t, "--tmpdir="+string(tmp), "console", "-f", "x")
	if line, err := c.out.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	return c
}

func named(t *testing.T, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestInterruptedFollow follows until an interrupt where nobody can say whether
// the unikernel has ended: without albatrossd, or with an old one.
func TestInterruptedFollow(t *testing.T) {
	for name, old := range map[string]bool{"no albatrossd": false, "Albatross 2.7": true} {
		t.Run(name, func(t *testing.T) {
			tmp := paths.Tmp(testutil.TempDirShort(t))
			var vmmd *clienttest.Server
			if old {
				vmmd = listen(t, tmp.VMMD(), clienttest.NewHost(api.State{}).Daemon(true).Serve)
			}
			c := follow(t, tmp, old)
			if old { // it has been asked, which takes two connections, before the interrupt
				testutil.Eventually(t, 20*time.Second, func() error {
					if n := vmmd.Connections(); n < 2 {
						return fmt.Errorf("%d connections", n)
					}
					return nil
				})
			}
			if rest, err := c.interrupt(t); err != nil || rest != "" || c.err.Len() > 0 {
				t.Errorf("ended with %v, %q on standard output, %q on standard error", err, rest, c.err)
			}
		})
	}
}

// TestFollowEndsWithTheUnikernel has the unikernel destroyed while somebody
// follows it.
func TestFollowEndsWithTheUnikernel(t *testing.T) {
	tmp := paths.Tmp(testutil.TempDirShort(t))
	host := clienttest.NewHost(api.State{Unikernels: []api.Unikernel{{Name: named(t, "x"), Phase: api.PhaseRunning}}})
	vmmd := listen(t, tmp.VMMD(), host.Daemon(false).Serve)
	c := follow(t, tmp, false)
	testutil.Eventually(t, 20*time.Second, func() error { // it goes on after a look that finds it running
		if n := vmmd.Connections(); n < 3 {
			return fmt.Errorf("%d connections", n)
		}
		return nil
	})
	if code := cli.Main([]string{"--tmpdir=" + string(tmp), "destroy", "x"}, nil, io.Discard, os.Stderr, nil); code != 0 {
		t.Fatalf("destroy: exit code %d", code)
	}
	rest, err := io.ReadAll(c.out)
	if err := errors.Join(err, c.Wait()); err != nil || len(rest) > 0 || c.err.String() != "x does not run\n" {
		t.Errorf("ended with %v, %q on standard output, %q on standard error", err, rest, c.err)
	}
}

// TestInterruptedUpload has an interrupt come before anything, and after
// everything, was sent.
func TestInterruptedUpload(t *testing.T) {
	for name, want := range map[string]string{
		"before": "albatross: interrupted: x was not created\n",
		"after":  "albatross: interrupted: x may have been created all the same\nhint: albatross info x tells\n",
	} {
		t.Run(name, func(t *testing.T) {
			tmp := paths.Tmp(testutil.TempDirShort(t))
			reached := make(chan struct{})
			stuck := func(p net.Conn) {
				close(reached)
				_, _ = io.Copy(io.Discard, p) // until the client is gone
			}
			serve := stuck
			if name == "after" {
				serve = clienttest.Daemon{Name: "albatrossd", Behaviour: answer(func(p *clienttest.Peer) { stuck(p.Net) })}.Serve
			}
			listen(t, tmp.VMMD(), serve)
			c := start(t, "--tmpdir="+string(tmp), "create", "x", "guest:spt/hello")
			<-reached
			rest, err := c.interrupt(t)
			if code := c.ProcessState.ExitCode(); code != 130 || rest != "" || c.err.String() != want {
				t.Errorf("exit code %d (%v), %q on standard output, %q on standard error, want %q", code, err, rest, c.err, want)
			}
		})
	}
}

// answer is a daemon that does something with the peer when a command has come,
// and does not answer.
type answer func(*clienttest.Peer)

func (a answer) Answer(p *clienttest.Peer, _ wire.Message) wire.Payload {
	a(p)
	return nil
}

// TestUpInForeground has an interrupt reach the supervisor only, which then ends
// the daemons in their order.
func TestUpInForeground(t *testing.T) {
	dir := filepath.Join(testutil.TempDirShort(t), "it's d")
	c := start(t, "up", "--dir="+dir)
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, c.err)
	}
	shell, err := exec.Command("sh", "-c", line+"printf %s \"$ALBATROSS_TMPDIR\"").Output()
	if want := dir + "/run"; err != nil || string(shell) != want {
		t.Errorf("the shell makes %q of %q, %v; want %q", shell, line, err, want)
	}
	pids := daemons(t, supervisor.Dir(dir))
	for _, pid := range pids {
		if group, err := syscall.Getpgid(pid); err != nil || group == c.Process.Pid {
			t.Errorf("daemon %d is in the process group %d of the supervisor, %v", pid, group, err)
		}
	}
	rest, err := c.interrupt(t)
	if err != nil || rest != "" {
		t.Errorf("ended with %v, and %q on standard output", err, rest)
	}
	for name, pid := range pids {
		if _, err := linux.ReadProcStat(pid); err == nil {
			t.Errorf("%s, process %d, is still there", name, pid)
		}
		if want := fmt.Sprintf("%-17s | %s begins as %d\n", name, name, pid); !strings.Contains(c.err.String(), want) {
			t.Errorf("%q is not in what was shown: %s", want, c.err)
		}
	}
	left, err := os.ReadDir(paths.Tmp(dir + "/run").Util())
	if err != nil || len(left) > 0 {
		t.Errorf("sockets are left: %v, %v", left, err)
	}
}

// daemons returns the processes of the daemons of a directory.
func daemons(t *testing.T, dir supervisor.Dir) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, name := range []string{"albatross-keeper", "albatross-console", "albatrossd", "albatross-stats"} {
		text, err := os.ReadFile(filepath.Join(string(dir.Tmp()), name+".pid"))
		if err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			t.Fatal(err)
		}
		pids[name] = pid
	}
	return pids
}

// TestStartedAtOnce has several supervisors begin at the same moment: there is one
// of each daemon, and all are told where they are.
func TestStartedAtOnce(t *testing.T) {
	dir := supervisor.Dir(testutil.TempDirShort(t))
	var wg sync.WaitGroup
	type result struct {
		code     int
		out, err bytes.Buffer
	}
	all := make([]result, 4)
	for i := range all {
		wg.Go(func() {
			all[i].code = cli.Main([]string{"up", "--detach", "--dir=" + string(dir)}, nil, &all[i].out, &all[i].err, os.Environ())
		})
	}
	wg.Wait()
	won := 0
	for i := range all {
		r := &all[i]
		if want := "export ALBATROSS_TMPDIR=" + string(dir.Tmp()) + "\n"; r.code != 0 || r.out.String() != want {
			t.Errorf("exit code %d, %q, %q; want %q", r.code, &r.out, &r.err, want)
		}
		if r.err.Len() == 0 {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d supervisors started; want one", won)
	}
	for name := range daemons(t, dir) {
		log, err := os.ReadFile(dir.Log(name))
		if err != nil || bytes.Count(log, []byte("begins as")) != 1 {
			t.Errorf("%s was not started once: %q, %v", name, log, err)
		}
	}
	if code := cli.Main([]string{"down", "--dir=" + string(dir)}, nil, io.Discard, os.Stderr, os.Environ()); code != 0 {
		t.Errorf("down: exit code %d", code)
	}
}

func TestNoPermission(t *testing.T) {
	tmp := paths.Tmp(testutil.TempDirShort(t))
	s, err := clienttest.Listen(tmp.VMMD(), func(c net.Conn) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Chmod(tmp.VMMD(), 0); err != nil {
		t.Fatal(err)
	}
	var code int
	var out, errs bytes.Buffer
	asNobody(func() { code = cli.Main([]string{"--tmpdir=" + string(tmp), "info"}, nil, &out, &errs, nil) })
	want := "albatross: you may not use " + tmp.VMMD() + ": permission denied\nhint: be root or a member of the group albatross"
	if code != 122 || out.Len() > 0 || !strings.HasPrefix(errs.String(), want) {
		t.Errorf("exit code %d, %q; want 122, %q…", code, &errs, want)
	}
}

// asNobody runs f on a thread that opens files as the user nobody, if it could
// open them all.
func asNobody(f func()) {
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0) // returns the former id, no error
		defer func() { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0) }()
	}
	f()
}
