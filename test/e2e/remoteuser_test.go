package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// endpointUID is a user that nobody is, for albatross-tls.
const endpointUID = 1_899_999_999

// someGroup returns a group of this machine that is not root's.
func someGroup(t *testing.T) *user.Group {
	t.Helper()
	for _, name := range []string{"daemon", "nogroup", "nobody", "users"} {
		if g, err := user.LookupGroup(name); err == nil && g.Gid != "0" {
			return g
		}
	}
	t.Skip("there is no group but root's")
	return nil
}

// journal collects what a program logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// endpoint runs albatross-tls as a user of its own, and waits until it listens.
func (w *world) endpoint(files string, port, uid, gid int) (log *journal) {
	w.t.Helper()
	log = new(journal)
	cmd := exec.Command(filepath.Join(os.Getenv(binEnv), "albatross-tls"), "--tmpdir="+filepath.Join(w.dir, "run"), "--ip=127.0.0.1",
		"--port="+strconv.Itoa(port), files+"/cacert.pem", files+"/server.pem", files+"/server.key")
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}}
	must(w.t, cmd.Start())
	w.t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil || w.t.Failed() {
			w.t.Logf("%v\n%s", err, log)
		}
	})
	testutil.Eventually(w.t, patience, func() error {
		if !strings.Contains(log.String(), "msg=ready") {
			return fmt.Errorf("albatross-tls is not ready: %s", log)
		}
		return nil
	})
	return log
}

// give copies files for a user and a group.
func give(t *testing.T, from, to string, uid, gid int) {
	t.Helper()
	must(t, os.Mkdir(to, 0o750))
	must(t, os.Chown(to, uid, gid))
	for name, mode := range map[string]os.FileMode{"cacert.pem": 0o644, "server.pem": 0o644, "server.key": 0o400} {
		b, err := os.ReadFile(filepath.Join(from, name))
		must(t, err)
		path := filepath.Join(to, name)
		must(t, os.WriteFile(path, b, mode))
		must(t, os.Chown(path, uid, gid))
	}
}

// TestEndpointAsItsOwnUser runs albatross-tls as a user that may read its key and hand
// clients over, and nothing else; and as one that may not.
func TestEndpointAsItsOwnUser(t *testing.T) {
	testutil.RequireRoot(t)
	group := someGroup(t)
	gid, err := strconv.Atoi(group.Gid)
	must(t, err)
	base := testutil.TempDirShort(t)
	must(t, os.Chmod(base, 0o755))
	w := &world{t: t, dir: filepath.Join(base, "host")}
	ca := filepath.Join(base, "ca")
	w.ok("ca", "create", ca, "--host", "localhost")
	t.Cleanup(w.checkNothingLeft)
	w.ok("up", "--dir", w.dir, "--detach", "--remote-ca", ca+"/cacert.pem", "--listen", "127.0.0.1:1025", "--remote-group", group.Name, "--remote-unsigned-images")
	t.Cleanup(func() { w.ok("down", "--dir", w.dir) })
	socket, err := os.Stat(filepath.Join(w.dir, "run/util/remote.sock"))
	must(t, err)
	if have := socket.Sys().(*syscall.Stat_t).Gid; int(have) != gid || socket.Mode().Perm()&0o072 != 0o070 {
		t.Errorf("remote.sock is that of group %d, with mode %v", have, socket.Mode())
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", w.daemonPID("albatrossd")))
	must(t, err)
	if !bytes.Contains(cmdline, []byte("--remote-unsigned-images")) {
		t.Errorf("albatrossd runs as %q", cmdline)
	}

	files := filepath.Join(base, "tls")
	give(t, ca, files, endpointUID, gid)
	w.endpoint(files, 1026, endpointUID, gid)
	w.ok("ca", "delegate", "alice", "--dir", ca, "--unikernels", "2")
	alice := []string{"--ca", ca + "/alice/ca.pem", "--ca-key", ca + "/alice/ca.key", "--server-ca", ca + "/cacert.pem", "--remote", "localhost:1026"}
	asAlice := func(args ...string) result { return w.run(append(args, alice...)...) }
	if r := asAlice("create", "hello", "guest:hello"); r.code != 0 {
		t.Errorf("create: %+v", r)
	}
	if out := w.ok("audit"); !strings.Contains(out, "create alice.hello by hello < alice from 127.0.0.1:") {
		t.Errorf("the audit log has %q", out)
	}
	w.ok("ca", "revoke", "alice", "--dir", ca, "--remote", "localhost:1026")
	if r := asAlice("info"); r.code == 0 || !strings.Contains(r.stderr, `was revoked by "ca"`) {
		t.Errorf("revoked: %+v", r)
	}

	// Another user, who is not in the group.
	other := filepath.Join(base, "other")
	give(t, ca, other, endpointUID-1, endpointUID-1)
	log := w.endpoint(other, 1027, endpointUID-1, endpointUID-1)
	r := w.run("info", "--ca", ca+"/ca.pem", "--ca-key", ca+"/ca.key", "--server-ca", ca+"/cacert.pem", "--remote", "localhost:1027")
	if r.code == 0 || !strings.Contains(r.stderr, "albatross-tls may not open its socket") {
		t.Errorf("not in the group: %+v\n%s", r, log)
	}
	// Nor does one see the other's key.
	cmd := w.command("albatross-tls", "--ip=127.0.0.1", "--port=0", files+"/cacert.pem", files+"/server.pem", files+"/server.key")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: endpointUID - 1, Gid: uint32(gid), Groups: []uint32{}}}
	if r := execute(t, cmd); r.code == 0 || !strings.Contains(r.stderr, "make the user that albatross-tls runs as") {
		t.Errorf("with the key of another user: %+v", r)
	}
}
