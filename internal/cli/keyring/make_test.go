package keyring

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/steps"
)

// makeEnv has the test binary make a directory and kill itself: "STEP DIRECTORY".
const makeEnv = "ALBATROSS_TEST_MAKE"

func TestMain(m *testing.M) {
	if how := os.Getenv(makeEnv); how != "" {
		step, dir, _ := strings.Cut(how, " ")
		n, err := strconv.Atoi(step)
		if err == nil {
			_, err = makeAll(dir, killAt(n))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// killAt kills this process at a step, from 0 up.
func killAt(n int) steps.Steps {
	return func(string) {
		if n == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		n--
	}
}

// makeAll does what albatross ca create does.
func makeAll(path string, s steps.Steps) (resumed bool, err error) {
	d, resumed, err := Make(path, "ca", pki.Ed25519, pki.ValidFor(time.Now(), pki.RootFor), s)
	if err != nil {
		return false, err
	}
	if _, err := d.CertifyServer(pki.Request{Name: "server", Hosts: []string{"localhost"}}, pki.Ed25519, pki.ValidFor(time.Now(), pki.ServerFor)); err != nil {
		return false, err
	}
	return resumed, d.Finish()
}

// makeKilled makes a directory in another process, which is killed at a step. It
// reports whether it got that far.
func makeKilled(t *testing.T, step int, path string) bool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", makeEnv, step, path))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("step %d: %v\n%s", step, err, out)
	}
	return true
}

// TestMakeIsInterrupted kills the making of a directory at every step, and then goes on
// with it. In the end it is complete, and no key that was there is another one.
func TestMakeIsInterrupted(t *testing.T) {
	step := 0
	for ; ; step++ {
		path := filepath.Join(t.TempDir(), "ca")
		if !makeKilled(t, step, path) {
			break
		}
		keys := keysIn(t, path)
		// What a write that was interrupted leaves.
		if err := os.WriteFile(filepath.Join(path, "."+CAKey+".4711"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("killed at step %d", step)
		if resumed, err := makeAll(path, nil); err != nil || resumed != (step > 0) {
			t.Fatalf("%s: resumed %v, %v", what, resumed, err)
		}
		wantKept(t, what, path, keys)
		wantComplete(t, what, path)
	}
	if step < 9 {
		t.Errorf("there were only %d steps", step)
	}
}

// TestMakeIsInterruptedAgain kills what makes one directory at every step in turn.
func TestMakeIsInterruptedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca")
	keys := map[string][]byte{}
	for step := 0; makeKilled(t, step, path); step++ {
		wantKept(t, fmt.Sprintf("killed at step %d", step), path, keys)
		keys = keysIn(t, path)
	}
	wantKept(t, "in the end", path, keys)
	wantComplete(t, "in the end", path)
}

// wantKept wants the keys that were in a directory unchanged.
func wantKept(t *testing.T, what, path string, keys map[string][]byte) {
	t.Helper()
	have := keysIn(t, path)
	for name, before := range keys {
		if !bytes.Equal(have[name], before) {
			t.Errorf("%s: %s is another one", what, name)
		}
	}
}

func keysIn(t *testing.T, path string) map[string][]byte {
	t.Helper()
	keys := map[string][]byte{}
	for _, name := range []string{CAKey, ServerKey} {
		if b, err := os.ReadFile(filepath.Join(path, name)); err == nil {
			keys[name] = b
		}
	}
	return keys
}

// wantComplete wants a directory as one that was made without interruption.
func wantComplete(t *testing.T, what, path string) {
	t.Helper()
	d, err := Open(path)
	if err != nil || d.Root == nil || !bytes.Equal(d.Root.Raw, d.CA.Certificate().Raw) {
		t.Fatalf("%s: %v", what, err)
	}
	server, err := Certificates(d.File(ServerFile))
	if err == nil {
		err = pki.VerifyServer(pki.DER(server), d.Root, "localhost", time.Now(), nil)
	}
	if err != nil {
		t.Errorf("%s: the certificate of the server: %v", what, err)
	}
	key, err := Key(d.File(ServerKey))
	if public, ok := server[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); err != nil || !ok || !public.Equal(key.Public()) {
		t.Errorf("%s: the key of the server: %v", what, err)
	}
	issued, err := d.Issued()
	if err != nil || len(issued) == 0 || issued[len(issued)-1].Serial != pki.Describe(server[0]).Serial {
		t.Errorf("%s: issued are %+v, %v", what, issued, err)
	}
	var names []string
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{CAKey, CAFile, RootFile, issuedDir, issuedFile, ServerKey, ServerFile}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%s: there are %v", what, names)
	}
	if _, _, err := Make(path, "ca", pki.Ed25519, pki.ValidFor(time.Now(), pki.RootFor), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%s: made again: %v", what, err)
	}
}
