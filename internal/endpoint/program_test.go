package endpoint

import (
	"bufio"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"albatross/internal/client/clienttest"
	"albatross/internal/paths"
	"albatross/internal/pki"
	"albatross/internal/testutil"
)

// programs are the two builds of albatross-tls: with Go as it is, and as make build
// makes it. Each is built once for all tests.
var programs struct {
	mu           sync.Mutex
	dir          string
	small, large string
}

func removePrograms() {
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir) // a temporary directory
	}
}

// build returns the file of albatross-tls.
func build(t testing.TB, large bool) string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	if programs.dir == "" {
		programs.dir = must(os.MkdirTemp("", "albatross-tls-"))(t)
		if err := os.Chmod(programs.dir, 0o755); err != nil { // another user runs it, too
			t.Fatal(err)
		}
	}
	file, args := &programs.small, []string{"build"}
	if large {
		file = &programs.large
	}
	if *file != "" {
		return *file
	}
	name := filepath.Join(programs.dir, fmt.Sprintf("albatross-tls-%v", large))
	if large {
		overlay := filepath.Join(programs.dir, "overlay")
		goCommand(t, "run", "albatross/internal/endpoint/overlay", overlay)
		args = append(args, "-overlay", filepath.Join(overlay, "overlay.json"))
	}
	goCommand(t, append(args, "-o", name, "albatross/cmd/albatross-tls")...)
	*file = name
	return name
}

func goCommand(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
}

// site is a directory with what a program needs: certificates, and a place for
// albatrossd.
type site struct {
	family *clienttest.Family
	dir    string
	tmp    paths.Tmp
	files  []string // CACERT CERT KEY
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{family: must(clienttest.NewFamily("localhost"))(t), dir: testutil.TempDirShort(t)}
	s.tmp = paths.Tmp(filepath.Join(s.dir, "run"))
	if err := os.MkdirAll(s.tmp.Util(), 0o755); err != nil {
		t.Fatal(err)
	}
	key := must(pki.KeyPEM(s.family.Server.PrivateKey.(crypto.Signer)))(t)
	server := must(x509.ParseCertificate(s.family.Server.Certificate[0]))(t)
	for name, content := range map[string][]byte{
		"ca.pem": pki.CertificatesPEM(s.family.Root.Certificate()), "server.pem": pki.CertificatesPEM(server), "server.key": key,
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.files = []string{filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "server.pem"), filepath.Join(s.dir, "server.key")}
	return s
}

// args returns the arguments of a program, before and after more of them.
func (s *site) args(more ...string) []string {
	return append(append([]string{"--tmpdir", string(s.tmp)}, s.files...), more...)
}

// process is a running albatross-tls.
type process struct {
	cmd     *exec.Cmd
	log     *logBuffer
	address string
}

// start runs a program that listens on a port of its choice, until the end of the
// test, when it must end well.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: new(logBuffer)}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(p.log)
		}
	})
	testutil.Eventually(t, patience, func() error {
		_, ready, ok := strings.Cut(p.log.String(), "msg=ready")
		_, address, there := strings.Cut(ready, "address=")
		address, _, whole := strings.Cut(address, "\n")
		if !ok || !there || !whole {
			return errors.New("not ready")
		}
		p.address = address
		return nil
	})
	return p
}

// listening runs a program on a port of this host.
func (s *site) listening(t testing.TB, program string, more ...string) *process {
	t.Helper()
	return start(t, exec.Command(program, s.args(append(more, "--ip", "127.0.0.1", "--port=0")...)...))
}

// peakKB returns the most memory that a process ever had resident.
func (p *process) peakKB(t testing.TB) int {
	t.Helper()
	f := must(os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)))(t)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			return must(strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(text), " kB")))(t)
		}
	}
	t.Fatal("there is no VmHWM")
	return 0
}
