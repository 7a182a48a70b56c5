package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/cli"
	"albatross/internal/client/clienttest"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// TestMain makes the test binary the command itself, and the daemons that "up"
// starts, which are not real.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"albatross":         func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())) },
		"albatrossd":        func() { os.Exit(fakeVMMD()) },
		"albatross-console": func() { os.Exit(fakeConsole()) },
		"albatross-keeper":  func() { os.Exit(fakeKeeper()) },
		"albatross-stats":   func() { os.Exit(fakeStats()) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			run := env.WorkDir + "/run"
			env.Setenv(paths.TmpEnv, run)
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each command, with -race
			env.Defer(func() { killAll(t, env.WorkDir) })
			bin, err := exec.LookPath("albatross")
			env.Setenv("BIN", bin)
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fake":   fake,
			"record": record,
			"remote": remote,
			"status": status,
			"signal": signalTo,
			"await":  await,
		},
	})
}

// killAll ends what a script that failed has left, which pid files tell.
func killAll(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "run", "*.pid"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		var pid int
		if _, e := fmt.Sscan(string(text), &pid); err != nil || e != nil {
			continue
		}
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty once it has ended
		if strings.Contains(string(line), dir) {
			t.Errorf("%s: process %d is left, and killed: %q", file, pid, line)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// scene is what fake daemons have to tell, in a file of a script.
type scene struct {
	State    api.State
	Consoles map[vm.Name][]clienttest.Line
	Policies map[vm.Path]vm.Policy
	Blocks   map[vm.Name]clienttest.Block
	Samples  []wire.Named[vm.Stats]
	Events   clienttest.Events
	Audit    clienttest.Audit
	Stops    bool // the statistics daemon, after the samples
	Check    api.Check
}

// fake FILE [old]: daemons that tell what is in FILE, as Albatross 2.7 with old.
func fake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: fake FILE [old]")
	}
	var s scene
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	tmp, old := paths.Tmp(ts.Getenv(paths.TmpEnv)), len(args) == 2
	h := s.host()
	for socket, d := range map[string]clienttest.Daemon{
		tmp.VMMD():    h.Daemon(old),
		tmp.Console(): clienttest.Consoles{Lines: s.Consoles}.Daemon(old),
		tmp.Stats():   clienttest.Samples{Samples: s.Samples, Ends: s.Stops}.Daemon(old),
	} {
		server, err := clienttest.Listen(socket, d.Serve)
		ts.Check(err)
		ts.Defer(func() { ts.Check(server.Close()) })
	}
}

// host returns a host with what a scene has.
func (s scene) host() *clienttest.Host {
	h := clienttest.NewHost(s.State)
	h.SetEvents(s.Events)
	h.SetAudit(s.Audit)
	for path, policy := range s.Policies {
		h.SetPolicy(path, policy)
	}
	for name, block := range s.Blocks {
		h.SetBlock(name, block)
	}
	h.SetCheck(s.Check)
	return h
}

// record DIR TEXT…: appends a record with each text to the audit log in DIR.
func record(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: record DIR TEXT…")
	}
	l, err := audit.Open(ts.MkAbs(args[0]), audit.Options{})
	ts.Check(err)
	defer func() { ts.Check(l.Close()) }()
	for _, text := range args[1:] {
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		ts.Check(l.Append(api.AuditRecord{Time: at, Command: "info", Outcome: api.AuditDone, Text: text}))
	}
}

// status CODE COMMAND…: runs a command that must exit with the code.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		if _, e := fmt.Sscanf(err.Error(), "exit status %d", &got); e != nil {
			ts.Fatalf("%v", err)
		}
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// signalTo FILE NAME: sends the signal to the process of a pid file.
func signalTo(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signals[args[1]] == 0 {
		ts.Fatalf("usage: signal FILE INT|TERM|KILL")
	}
	var pid int
	if _, err := fmt.Sscan(ts.ReadFile(args[0]), &pid); err != nil || pid < 2 {
		ts.Fatalf("%s holds no process: %v", args[0], err)
	}
	ts.Check(syscall.Kill(pid, signals[args[1]]))
}

// await CONDITION: waits until something is so:
//
//	await gone FILE        the process of a pid file has ended
//	await other FILE FILE  both pid files name living processes that differ
//	await text FILE TEXT   the file contains the text
func await(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := condition(ts, args)
		if err == nil != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still not %v: %v", args, err)
		}
		time.Sleep(pause)
	}
}

func condition(ts *testscript.TestScript, args []string) error {
	pid := func(file string) (int, error) {
		text, err := os.ReadFile(ts.MkAbs(file))
		if err != nil {
			return 0, err
		}
		var pid int
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			return 0, err
		}
		stat, err := linux.ReadProcStat(pid)
		if err == nil && stat.Ended() {
			err = fmt.Errorf("process %d has ended", pid)
		}
		return pid, err
	}
	switch {
	case len(args) == 2 && args[0] == "gone":
		if n, err := pid(args[1]); err == nil {
			return fmt.Errorf("process %d lives", n)
		}
		return nil
	case len(args) == 3 && args[0] == "other":
		a, errA := pid(args[1])
		b, errB := pid(args[2])
		if a == b || errB != nil {
			return fmt.Errorf("%d (%v) and %d (%v)", a, errA, b, errB)
		}
		return nil
	case len(args) == 3 && args[0] == "text":
		text, err := os.ReadFile(ts.MkAbs(args[1]))
		if err == nil && !strings.Contains(string(text), args[2]) {
			err = fmt.Errorf("%s: %q", args[1], text)
		}
		return err
	}
	ts.Fatalf("unknown condition %v", args)
	return nil
}
