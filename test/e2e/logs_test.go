package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// logged waits until a daemon has logged a line with all these texts, and returns it.
func (w *world) logged(daemon string, texts ...string) (found string) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		b, err := os.ReadFile(filepath.Join(w.dir, "log", daemon+".log"))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				found = line
				return nil
			}
		}
		return fmt.Errorf("the log of %s has no line with %q", daemon, texts)
	})
	return found
}

// requestOf returns how a command was called that failed, as --json tells.
func requestOf(t testing.TB, r result) string {
	t.Helper()
	var failed struct{ Error struct{ Request string } }
	if err := json.Unmarshal([]byte(r.stderr), &failed); err != nil || r.code == 0 {
		t.Fatalf("%+v is no failure: %v", r, err)
	}
	return failed.Error.Request
}

var requestName = regexp.MustCompile(`^[0-9a-f]{12}$`)

// TestRequestsAreFound follows commands through the event log and the logs of daemons.
func TestRequestsAreFound(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "tick", imageFile(t, "spt", "ticker"))
	created := w.happened("tick", "created")[0].Request
	if !requestName.MatchString(created) {
		t.Fatalf("the request is called %q", created)
	}
	w.logged("albatrossd", "level=INFO msg=created ", " unikernel=:tick ", " request="+created)

	again := requestOf(t, w.run("create", "--json", "tick", imageFile(t, "spt", "hello")))
	w.logged("albatrossd", "level=INFO msg=refused ", " request="+again, " code=exists ", "exists already")
	w.ok("destroy", "tick")
	all := w.happened("tick", "created", "refused", "ended", "destroyed")
	if all[1].Request != again || again == created {
		t.Errorf("the refusal %+v is not of the request %q", all[1], again)
	}
	if gone := all[3].Request; all[2].Request != gone || !requestName.MatchString(gone) {
		t.Errorf("the end %+v and the destruction %+v are not of one request", all[2], all[3])
	}
	w.logged("albatrossd", "msg=ended ", " request="+all[3].Request)
}

// TestUpSaysHowToLog has daemons log what else they do not, as JSON.
func TestUpSaysHowToLog(t *testing.T) {
	w := &world{t: t, dir: testutil.TempDirShort(t)}
	w.up("--log-level=debug", "--log-format=json")
	missing := requestOf(t, w.run("console", "--json", "nobody"))
	line := w.logged("albatross-console", `"request":"`+missing+`"`)
	var got struct{ Level, Msg, Daemon, Client string }
	must(t, json.Unmarshal([]byte(line), &got))
	if got.Level != "DEBUG" || got.Msg != "hello" || got.Daemon != "albatross-console" || got.Client != "albatross" {
		t.Errorf("the line is %s", line)
	}
	wantUsage := func(flag, words string) {
		t.Helper()
		if r := w.run("up", "--dir", w.dir, flag); r.code != 124 || !strings.Contains(r.stderr, words) {
			t.Errorf("%+v", r)
		}
	}
	wantUsage("--log-level=all", "--log-level=all is no level")
	wantUsage("--log-format=xml", "--log-format=xml is no format")
}

// TestRequestsFromAfarAreFound finds a command in the logs of all daemons that it
// goes through, and in the audit log.
func TestRequestsFromAfarAreFound(t *testing.T) {
	f := newFarWorld(t, "")
	alice := f.delegate("alice", "--unikernels=1", "--mem=64", "--cpu=0")
	alice.ok("create", "tick", imageFile(t, "spt", "ticker"))
	created := f.happened("alice.tick", "created")[0].Request
	if !requestName.MatchString(created) {
		t.Fatalf("the request is called %q", created)
	}
	f.logged("albatross-tls", `msg="client introduced"`, " request="+created)
	f.logged("albatrossd", "msg=created ", " request="+created)
	recorded := 0
	for _, r := range f.audit() {
		if r.Request == created {
			recorded++
			if r.Command != "create" || !strings.HasPrefix(r.Chain[0].Fingerprint, created) {
				t.Errorf("%+v", r)
			}
		}
	}
	if recorded != 2 {
		t.Errorf("there are %d records of %s, want its begin and its end", recorded, created)
	}
	refused := requestOf(t, alice.run("restart", "--json", "nobody"))
	f.logged("albatrossd", "msg=refused ", " peer=127.0.0.1:", " request="+refused)
}

// follower is albatross events --follow --json.
type follower struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	all  []happening // guarded by mu
	done chan struct{}
}

func (w *world) follow(args ...string) *follower {
	w.t.Helper()
	f := &follower{cmd: w.command("albatross", append([]string{"events", "--follow", "--json"}, args...)...), done: make(chan struct{})}
	out, err := f.cmd.StdoutPipe()
	must(w.t, err)
	f.cmd.Stderr = os.Stderr
	must(w.t, f.cmd.Start())
	go func() {
		defer close(f.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e happening
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				w.t.Errorf("%q: %v", lines.Text(), err)
			}
			f.mu.Lock()
			f.all = append(f.all, e)
			f.mu.Unlock()
		}
	}()
	return f
}

// seen returns what came so far.
func (f *follower) seen() []happening {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// interrupt ends it as Ctrl-C does.
func (f *follower) interrupt(t testing.TB) {
	t.Helper()
	must(t, f.cmd.Process.Signal(syscall.SIGINT))
	<-f.done
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("events -f ended with %v", err)
	}
}

// TestFollowersOutliveTheDaemon has events told to the end, each once, although
// albatrossd is killed and stopped meanwhile.
func TestFollowersOutliveTheDaemon(t *testing.T) {
	w := newWorld(t)
	all, ours, since := w.follow("--count=0"), w.follow("--count=1", "b."), w.follow("--since=1h")
	testutil.Eventually(t, patience, func() error {
		if len(all.seen()) == 0 || len(since.seen()) == 0 {
			return fmt.Errorf("nobody was told of anything")
		}
		return nil
	})
	image := imageFile(t, "spt", "hello")
	for i, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		name := fmt.Sprintf("b.n%d", i)
		w.ok("create", name, image)
		w.happened(name, "created", "ended", "dropped")
		w.killAndAwait("albatrossd", sig)
		w.ok("create", "a."+name, image)
		w.happened("a."+name, "created", "ended", "dropped")
	}
	want := w.events()
	wantOurs := w.events("b.")
	for what, one := range map[string]struct {
		follower *follower
		want     []happening
	}{"all": {all, want}, "ours": {ours, wantOurs}, "since": {since, want}} {
		testutil.Eventually(t, patience, func() error {
			got := one.follower.seen()
			if len(got) < len(one.want) {
				return fmt.Errorf("%s: %d of %d events came", what, len(got), len(one.want))
			}
			return nil
		})
		one.follower.interrupt(t)
		for i, e := range one.follower.seen() {
			if i >= len(one.want) || e.Sequence != one.want[i].Sequence || e.Kind != one.want[i].Kind || e.Request != one.want[i].Request {
				t.Errorf("%s: event %d is %+v", what, i, e)
			}
		}
	}
	if len(wantOurs) != 9 || len(want) < 18+5 {
		t.Errorf("there are %d events, of which %d are ours", len(want), len(wantOurs))
	}
}

// TestJournal runs daemons as services of systemd, and finds a request in the journal
// of all of them.
func TestJournal(t *testing.T) {
	j := testutil.StartJournal(t)
	w := &world{t: t, dir: testutil.TempDirShort(t)}
	tmp, db := filepath.Join(w.dir, "run"), filepath.Join(w.dir, "db")
	for _, dir := range []string{"run/util", "run/fifo", "db"} {
		must(t, os.MkdirAll(filepath.Join(w.dir, dir), 0o755))
	}
	for _, args := range [][]string{
		{"albatross-keeper", "--tmpdir=" + tmp},
		{"albatross-console", "--tmpdir=" + tmp, "--logdir=" + filepath.Join(w.dir, "log"), "--log-level=debug"},
		{"albatrossd", "--tmpdir=" + tmp, "--dbdir=" + db},
	} {
		cmd := j.Service(filepath.Join(os.Getenv(binEnv), args[0]), args[1:]...)
		must(t, cmd.Start())
		t.Cleanup(func() {
			for _, pid := range w.daemonPIDs(args[0]) {
				must(t, syscall.Kill(pid, syscall.SIGTERM))
			}
			_ = cmd.Wait() // how nsenter ends is no matter
		})
	}
	testutil.Eventually(t, patience, func() error {
		if r := w.run("info"); r.code != 0 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	w.ok("create", "shop.hello", imageFile(t, "spt", "hello"))
	request := w.happened("shop.hello", "created", "ended", "dropped")[0].Request
	refused := requestOf(t, w.run("restart", "--json", "shop.hello"))
	missing := requestOf(t, w.run("console", "--json", "nobody"))
	wantEntry(t, j, map[string]string{"SYSLOG_IDENTIFIER": "albatrossd", "MSG": "created", "UNIKERNEL": "shop:hello", "PRIORITY": "6"}, "REQUEST="+request)
	wantEntry(t, j, map[string]string{"SYSLOG_IDENTIFIER": "albatrossd", "MSG": "refused", "NAME": "shop:hello", "CODE": "not-found"}, "REQUEST="+refused)
	wantEntry(t, j, map[string]string{"SYSLOG_IDENTIFIER": "albatross-console", "MSG": "hello", "CLIENT": "albatross", "PRIORITY": "7"}, "REQUEST="+missing)
	wantEntry(t, j, map[string]string{"MSG": "ready", "PRIORITY": "6", "_TRANSPORT": "journal"}, "SYSLOG_IDENTIFIER=albatross-keeper")
	if all := j.Entries("SYSLOG_IDENTIFIER=stream"); len(all) > 0 {
		t.Errorf("on standard error came %v", all)
	}
}

// wantEntry waits for an entry that matches and has these fields.
func wantEntry(t testing.TB, j *testutil.Journal, fields map[string]string, matches ...string) {
	t.Helper()
	testutil.Eventually(t, patience, func() error {
		all := j.Entries(matches...)
		for _, e := range all {
			same := 0
			for name, value := range fields {
				if e[name] == value {
					same++
				}
			}
			if same == len(fields) {
				return nil
			}
		}
		return fmt.Errorf("among %v is none with %v", all, fields)
	})
}
