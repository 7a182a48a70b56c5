package endpoint

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/behalf"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

// TestLargeCertificates has both builds meet Albatross's client, which puts images
// into its certificate.
func TestLargeCertificates(t *testing.T) {
	s := newSite(t)
	const size = 10 << 20
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), func(c *behalf.Client, uc *net.UnixConn) {
		_, _ = fmt.Fprint(uc, c.Bytes())
	}))
	large := create(t, s.family.Web, size)
	want := 0
	for _, c := range large.Certificate {
		want += len(c)
	}
	t.Run("as make build makes it", func(t *testing.T) {
		p := s.listening(t, build(t, true))
		if b, err := io.ReadAll(dial(t, p.address, &large)); err != nil || string(b) != fmt.Sprint(want) {
			t.Errorf("the daemon got %s of %d bytes, %v", b, want, err)
		}
		if log := p.log.String(); strings.Contains(log, "level=WARN") {
			t.Error("it warns")
		}
		t.Logf("VmHWM %d KiB", p.peakKB(t))
	})
	t.Run("with Go as it is", func(t *testing.T) {
		p := s.listening(t, build(t, false))
		if !strings.Contains(p.log.String(), "albatross-client cannot create unikernels here whose image has more than 256 KiB") {
			t.Error("it does not warn at its start")
		}
		c := tlsClient(stalled(t, p.address), &large)
		_ = c.Handshake() // it may be ended while it sends
		wantClosed(t, c)
		testutil.Eventually(t, patience, func() error {
			if !strings.Contains(p.log.String(), "its certificates are larger than this albatross-tls takes; Go's crypto/tls takes 256 KiB by itself") {
				return fmt.Errorf("the log does not explain it")
			}
			return nil
		})
		small := create(t, s.family.Web, 200<<10)
		if b, err := io.ReadAll(dial(t, p.address, &small)); err != nil || len(b) == 0 {
			t.Errorf("a smaller one: %q, %v", b, err)
		}
	})
}

// TestGibibyte streams an image through a program that stays small.
func TestGibibyte(t *testing.T) {
	const size, limitKB = 1 << 30, 64 << 10
	s := newSite(t)
	got := make(chan int64, 1)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), func(_ *behalf.Client, c *net.UnixConn) {
		_ = c.SetDeadline(time.Time{})
		n, _ := io.Copy(io.Discard, c)
		got <- n
	}))
	p := s.listening(t, build(t, true))
	presents := leaf(t, s.family.Web, "www", wire.UnikernelInfo{})
	c := dial(t, p.address, &presents)
	if err := c.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	piece := bytes.Repeat([]byte("image"), 64<<10)[:256<<10]
	for range size / len(piece) {
		if _, err := c.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != size {
		t.Errorf("the daemon got %d of %d bytes", n, size)
	}
	peak := p.peakKB(t)
	t.Logf("VmHWM %d KiB", peak)
	if peak >= limitKB {
		t.Errorf("the program had %d KiB, the limit is %d", peak, limitKB)
	}
}

// TestStalledConnections holds 10,000 connections from four processes that do not
// complete the handshake, and has good clients served meanwhile.
func TestStalledConnections(t *testing.T) {
	const processes, each = 4, 2500
	s := newSite(t)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), echo))
	p := s.listening(t, build(t, true), "--handshake-timeout", "1h") // only the limit helps
	presents := leaf(t, s.family.Web, "shop", wire.UnikernelInfo{})
	for range processes {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", stallEnv, p.address, each))
		cmd.Stderr = os.Stderr
		stdin, stdout := must(cmd.StdinPipe())(t), must(cmd.StdoutPipe())(t)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = stdin.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
		defer func() {
			ready := make([]byte, len("ready\n"))
			if _, err := io.ReadFull(stdout, ready); err != nil {
				t.Errorf("a process that stalls: %v", err)
			}
			wantEcho(t, dial(t, p.address, &presents), "when one is ready")
		}()
	}
	for i := range 20 { // while they come
		c := dial(t, p.address, &presents)
		wantEcho(t, c, fmt.Sprint(i))
		_ = c.Close()
	}
	t.Cleanup(func() {
		if !strings.Contains(p.log.String(), "too many handshakes") {
			t.Error("the limit was not reached")
		}
		fds := must(testutil.OpenFDs(p.cmd.Process.Pid))(t)
		t.Logf("VmHWM %d KiB, %d descriptors", p.peakKB(t), len(fds))
	})
}

// TestFewDescriptors runs a program that may open few files: it bounds itself to what
// it can serve, and those that stand still keep out nobody.
func TestFewDescriptors(t *testing.T) {
	s := newSite(t)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), echo))
	limited := []string{"-c", `ulimit -n 64 && exec "$0" "$@"`, build(t, false)}
	p := start(t, exec.Command("/bin/sh", append(limited, s.args("--ip=127.0.0.1", "--port=0", "--handshake-timeout=1h")...)...))
	if !strings.Contains(p.log.String(), "raise the limit of open files") {
		t.Errorf("the log has %s", p.log)
	}
	presents := leaf(t, s.family.Web, "shop", wire.UnikernelInfo{})
	var last *tls.Conn
	for range 3 {
		for range 50 {
			stalled(t, p.address)
		}
		last = dial(t, p.address, &presents)
		wantEcho(t, last, "in")
	}
	wantEcho(t, last, "still in")
}

// connection returns both ends of a TCP connection; the second is a file.
func connection(t testing.TB) (net.Conn, *os.File) {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	near := stalled(t, l.Addr().String())
	far := must(l.Accept())(t)
	defer far.Close()
	f := must(far.(*net.TCPConn).File())(t)
	t.Cleanup(func() { _ = f.Close() })
	return near, f
}

// TestInetd serves the client that is standard input; whether or not inetd made it
// standard error as well.
func TestInetd(t *testing.T) {
	s := newSite(t)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), echo))
	for _, noisy := range []bool{false, true} {
		raw, f := connection(t)
		cmd := exec.Command(build(t, false), s.args("--inetd", "--log-level=debug")...)
		log := new(logBuffer)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, log
		if noisy {
			cmd.Stderr = f
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		presents := leaf(t, s.family.Web, "shop", wire.UnikernelInfo{})
		c := tlsClient(raw, &presents)
		_ = c.SetDeadline(time.Now().Add(patience))
		wantEcho(t, c, "by inetd")
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
		wantEnd(t, c)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, log)
		}
		if !noisy && !strings.Contains(log.String(), "client introduced") {
			t.Errorf("the log has %q", log)
		}
	}
}

// TestInetdTellsNothingToStrangers keeps what is wrong with the program off the
// connection.
func TestInetdTellsNothingToStrangers(t *testing.T) {
	s := newSite(t)
	raw, f := connection(t)
	cmd := exec.Command(build(t, false), "--inetd", s.files[0], s.files[1], "/nonexistent/key")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, f
	err := cmd.Run()
	_ = f.Close()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	if b, err := io.ReadAll(raw); err != nil || len(b) > 0 {
		t.Errorf("the client got %q, %v", b, err)
	}
}

func TestInetdWantsAConnection(t *testing.T) {
	s := newSite(t)
	out, err := exec.Command(build(t, false), s.args("--inetd")...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "standard input is not the connection of a client") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSocketActivation passes sockets as systemd does: from descriptor 3 on.
func TestSocketActivation(t *testing.T) {
	s := newSite(t)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), echo))
	var files []*os.File
	var addresses []string
	for range 2 {
		l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
		addresses = append(addresses, l.Addr().String())
		files = append(files, must(l.(*net.TCPListener).File())(t))
		_ = l.Close()
	}
	// Only the shell knows the number of the process before it is the program.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@"`, build(t, false)}, s.args("--systemd-socket-activation")...)...)
	cmd.ExtraFiles = files
	start(t, cmd)
	for _, f := range files {
		_ = f.Close()
	}
	presents := leaf(t, s.family.Web, "shop", wire.UnikernelInfo{})
	for _, a := range addresses {
		wantEcho(t, dial(t, a, &presents), "by systemd")
	}
}

// TestSystemdItself has systemd's own program pass the socket.
func TestSystemdItself(t *testing.T) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("there is no systemd-socket-activate here")
	}
	s := newSite(t)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), echo))
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	address := l.Addr().String() // free in a moment
	_ = l.Close()
	cmd := exec.Command(activate, append([]string{"-l", address, build(t, false)}, s.args("--systemd-socket-activation")...)...)
	log := new(logBuffer)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // before the first client it is systemd's program that ends by the signal
	})
	presents := leaf(t, s.family.Web, "shop", wire.UnikernelInfo{})
	testutil.Eventually(t, patience, func() error {
		raw, err := net.Dial("tcp", address)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, log)
		}
		return raw.Close()
	})
	wantEcho(t, dial(t, address, &presents), "by systemd")
}

// TestCallsThatCannotWork has each say why.
func TestCallsThatCannotWork(t *testing.T) {
	s := newSite(t)
	other := newSite(t)
	for what, tt := range map[string]struct {
		args []string
		want string
		code int
	}{
		"not activated":    {s.args("--systemd-socket-activation"), "there is no socket from systemd", 1},
		"two ways":         {s.args("--systemd-socket-activation", "--port=1025"), "--port does not go with", 1},
		"inetd and a port": {s.args("--inetd", "--port=1025"), "--inetd goes with neither", 1},
		"no port":          {s.args("--port=70000"), "not a TCP port", 124},
		"no address":       {s.args("--ip=localhost"), "--ip", 124},
		"no limit":         {s.args("--max-handshakes=0"), "the limit of handshakes at a time is 0", 1},
		"no key":           {s.files[:2], "the argument KEY is missing", 124},
		"another key":      {append(s.files[:2:2], other.files[2]), "does not belong to the certificate", 1},
		"no CA":            {append([]string{s.files[1]}, s.files[1:]...), "certificate of the root CA: ", 1},
		"no PEM":           {append(s.files[:2:2], "/proc/self/status"), "private key of the server: /proc/self/status: ", 1},
	} {
		cmd := exec.Command(build(t, false), tt.args...)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %s; want %q", what, err, out, tt.want)
		}
	}
}

// TestUnprivileged runs the program as nobody in particular: it needs no rights but
// to read its files and to open the socket.
func TestUnprivileged(t *testing.T) {
	testutil.RequireRoot(t)
	s := newSite(t)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), echo))
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for _, d := range []string{filepath.Dir(s.dir), s.dir, s.tmp.Remote()} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range s.files[:2] {
		if err := os.Chmod(f, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(build(t, false), s.args()...)
	cmd.SysProcAttr = nobody
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "make the user that albatross-tls runs as (uid 65534) its owner") {
		t.Errorf("with a key that it cannot read: %v, %s", err, out)
	}
	if err := os.Chown(s.files[2], 65534, 65534); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(build(t, false), s.args("--ip=127.0.0.1", "--port=0")...)
	cmd.SysProcAttr = nobody
	p := start(t, cmd)
	presents := leaf(t, s.family.Web, "shop", wire.UnikernelInfo{})
	wantEcho(t, dial(t, p.address, &presents), "unprivileged")
	if err := os.Chmod(s.tmp.Remote(), 0o700); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, dial(t, p.address, &presents), "alice:web:shop", "albatross-tls may not open its socket")
}

// TestWarnings are about a key that others can read and about a certificate that
// clients will refuse.
func TestWarnings(t *testing.T) {
	s, other := newSite(t), newSite(t)
	if err := os.Chmod(s.files[2], 0o604); err != nil {
		t.Fatal(err)
	}
	p := start(t, exec.Command(build(t, false), "--port=0", "--ip=127.0.0.1", other.files[0], s.files[1], s.files[2]))
	for _, want := range []string{"everyone on this host may use the private key", "clients will refuse the certificate of the server"} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
}

// TestSecretsAreNotLogged looks for the key and for certificates in the log.
func TestSecretsAreNotLogged(t *testing.T) {
	s := newSite(t)
	t.Cleanup(serveDaemon(t, s.tmp.Remote(), echo))
	p := s.listening(t, build(t, false), "--log-level=debug")
	presents := leaf(t, s.family.Web, "shop", wire.UnikernelInfo{})
	wantEcho(t, dial(t, p.address, &presents), "in")
	stranger := selfSigned(t)
	wantAlert(t, dial(t, p.address, &stranger), "bad certificate")
	testutil.Eventually(t, patience, func() error {
		log := p.log.String()
		if !strings.Contains(log, "client refused") || !strings.Contains(log, "client introduced") {
			return fmt.Errorf("the log does not tell what happened")
		}
		return nil
	})
	log := p.log.String()
	for _, file := range s.files {
		for line := range strings.Lines(string(must(os.ReadFile(file))(t))) {
			if text := strings.TrimSpace(line); len(text) > 8 && strings.Contains(log, text) {
				t.Errorf("the log has %s of %s", text, file)
			}
		}
	}
}
