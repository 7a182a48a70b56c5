package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/testutil"
)

// patience is how long anything may take that should come soon. Interpreted hvt
// guests are a thousand times slower than real ones.
const patience = 60 * time.Second

// world is a directory with daemons of its own, and a user who types commands.
type world struct {
	t   testing.TB
	dir string // as of up --dir
	bin string // directory of programs of its own; empty: those of all tests
}

// newWorld starts the daemons. At the end of the test they are ended, and
// nothing may be left of them.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: testutil.TempDirShort(t)}
	w.up()
	return w
}

// up starts the daemons of a world that was prepared, perhaps with flags. At the end
// of the test they are ended, and nothing may be left of them.
func (w *world) up(flags ...string) {
	w.t.Helper()
	w.t.Cleanup(w.checkNothingLeft)
	w.ok(append([]string{"up", "--dir", w.dir, "--detach"}, flags...)...)
	w.t.Cleanup(func() { w.ok("down", "--dir", w.dir) })
}

// checkNothingLeft looks for what may be left after down.
func (w *world) checkNothingLeft() {
	testutil.Eventually(w.t, patience, func() error {
		if taps := taps(w.t); len(taps) > 0 {
			return fmt.Errorf("taps are left: %v", taps)
		}
		var left []string
		for _, p := range processes(w.t) {
			// Unikernels have no environment, and names of their own.
			if strings.Contains(p.environ+p.cmdline, w.dir) || strings.HasPrefix(p.cmdline, "spt:") || strings.HasPrefix(p.cmdline, "hvt:") {
				left = append(left, p.cmdline)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("processes are left: %q", left)
		}
		return nil
	})
	for _, dir := range []string{"run/fifo", "run/util", "db/images/tmp"} {
		entries, _ := os.ReadDir(filepath.Join(w.dir, dir))
		for _, e := range entries {
			w.t.Errorf("%s/%s is left", dir, e.Name())
		}
	}
}

type process struct {
	pid              int
	cmdline, environ string
}

// processes returns all processes in the network namespace of this one, which is
// the tests' own where they run as root.
func processes(t testing.TB) []process {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	dirs, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	var all []process
	for _, dir := range dirs {
		namespace, _ := os.Readlink(filepath.Join(dir, "ns/net"))
		if namespace != own {
			continue
		}
		var p process
		fmt.Sscan(filepath.Base(dir), &p.pid)
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		p.cmdline = strings.ReplaceAll(string(cmdline), "\x00", " ")
		p.environ = string(environ)
		if p.pid != os.Getpid() {
			all = append(all, p)
		}
	}
	return all
}

// taps returns the names of all taps of ours in this namespace.
func taps(t testing.TB) []string {
	t.Helper()
	interfaces, err := net.Interfaces()
	must(t, err)
	var names []string
	for _, i := range interfaces {
		if strings.HasPrefix(i.Name, "vmmtap") {
			names = append(names, i.Name)
		}
	}
	return names
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// result is what a command did.
type result struct {
	stdout, stderr string
	code           int
}

// command returns a program under test that talks to the daemons of w.
func (w *world) command(program string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	w.t.Cleanup(cancel)
	bin := w.bin
	if bin == "" {
		bin = os.Getenv(binEnv)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "ALBATROSS_TMPDIR=")
	}), "ALBATROSS_TMPDIR="+filepath.Join(w.dir, "run"))
	return cmd
}

// run types a command.
func (w *world) run(args ...string) result {
	w.t.Helper()
	return execute(w.t, w.command("albatross", args...))
}

// execute runs a command and fails the test only if it cannot be run at all.
func execute(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// ok types a command that must succeed and returns what it printed.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("albatross %s: exit code %d\n%s%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr, w.logs())
	}
	return r.stdout
}

// logs returns what the daemons logged.
func (w *world) logs() string {
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(w.dir, "log", "*.log"))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		fmt.Fprintf(&all, "--- %s\n%s", filepath.Base(f), b)
	}
	return all.String()
}

// state is what info --json prints, as far as tests look at it.
type state struct {
	Unikernels []struct {
		Name, Phase, Target string
		PID, Restarts       int
		NextStart           time.Time `json:"next_start"`
		LastExit            *end      `json:"last_exit"`
		Arguments           []string
	}
	Ended []end
}

// end is how a run of a unikernel ended.
type end struct {
	Name   string
	At     time.Time
	Code   *int
	Signal int
	Reason string
}

func (w *world) state(args ...string) state {
	w.t.Helper()
	var s state
	must(w.t, json.Unmarshal([]byte(w.ok(append([]string{"info", "--json"}, args...)...)), &s))
	return s
}

// pid returns the process of a unikernel that runs.
func (w *world) pid(name string) int {
	w.t.Helper()
	s := w.state(name)
	if len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" {
		w.t.Fatalf("%s: %+v", name, s)
	}
	return s.Unikernels[0].PID
}

// ended waits until a unikernel has ended, and returns code and signal.
func (w *world) ended(name string) (code, signal int) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		s := w.state(name)
		if len(s.Unikernels) > 0 || len(s.Ended) == 0 {
			return fmt.Errorf("%s: %+v", name, s)
		}
		code, signal = -1, s.Ended[0].Signal
		if s.Ended[0].Code != nil {
			code = *s.Ended[0].Code
		}
		return nil
	})
	return code, signal
}

// console waits until the text is on a console, and returns all of it.
func (w *world) console(name, text string) string {
	w.t.Helper()
	var out string
	testutil.Eventually(w.t, patience, func() error {
		r := w.run("console", name)
		if out = r.stdout; !strings.Contains(out, text) {
			return fmt.Errorf("console of %s: %q %s", name, out, r.stderr)
		}
		return nil
	})
	return out
}

// eachTarget runs a test with unikernels of each target that this machine runs.
func eachTarget(t *testing.T, test func(t *testing.T, target string)) {
	for _, target := range guest.Targets() {
		t.Run(target, func(t *testing.T) {
			if target == guest.TargetHVT {
				testutil.RequireKVM(t)
			}
			test(t, target)
		})
	}
}

// imageFile writes a built-in guest to a file.
func imageFile(t testing.TB, target, name string) string {
	t.Helper()
	b, err := guest.Image(target, name)
	must(t, err)
	path := filepath.Join(t.TempDir(), name+"."+target)
	must(t, os.WriteFile(path, b, 0o644))
	return path
}

// killAndAwait sends a signal to a daemon, and waits until it is up again.
func (w *world) killAndAwait(daemon string, sig syscall.Signal) {
	w.t.Helper()
	old := w.daemonPID(daemon)
	must(w.t, syscall.Kill(old, sig))
	testutil.Eventually(w.t, patience, func() error {
		if slices.Contains(w.daemonPIDs(daemon), old) {
			return fmt.Errorf("%s does not end", daemon)
		}
		if r := w.run("version", "--json"); !strings.Contains(r.stdout, `"`+daemon+`"`) || strings.Contains(r.stdout, `"sentence"`) {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
}
