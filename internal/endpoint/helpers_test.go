package endpoint

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/behalf"
	"albatross/internal/client/clienttest"
	"albatross/internal/paths"
	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

const patience = 30 * time.Second // of tests, for what should come at once

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// logBuffer is a log that can be looked into.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is an endpoint in this process, with its CA and a place for albatrossd.
type world struct {
	t       *testing.T
	family  *clienttest.Family
	tmp     paths.Tmp
	log     *logBuffer
	server  *Server
	address string
	stop    func() error // ends the endpoint; called at the end of the test as well
}

// newWorld starts an endpoint, after change has changed its configuration.
func newWorld(t *testing.T, change func(*world, *Config)) *world {
	t.Helper()
	w := &world{t: t, family: must(clienttest.NewFamily("localhost"))(t), tmp: paths.Tmp(testutil.TempDirShort(t)), log: new(logBuffer)}
	if err := os.MkdirAll(w.tmp.Util(), 0o755); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := Config{
		Identity: func() *tls.Certificate { return &w.family.Server }, Root: w.family.Root.Certificate(), Daemon: w.tmp.Remote(), Limits: DefaultLimits(),
		CRLs: NewCRLDir(log, w.tmp.CRLs(), w.family.Root.Certificate()),
	}
	if change != nil {
		change(w, &c)
	}
	w.server = New(log, c)
	l := must(Listen(context.Background(), netip.MustParseAddr("127.0.0.1"), 0))(t)
	w.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(ctx, l) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
		if left := w.server.budget.left; left != c.Limits.LargeBytes {
			t.Errorf("%d of %d bytes of the budget are left at the end", left, c.Limits.LargeBytes)
		}
		if n := w.server.budget.holders.Len(); n > 0 {
			t.Errorf("at the end %d connections hold some of the budget", n)
		}
		if n := w.server.handshakes.order.Len(); n > 0 || w.server.clients.all > 0 || len(w.server.clients.count) > 0 {
			t.Errorf("at the end there are %d handshakes and %d clients: %v", n, w.server.clients.all, w.server.clients.count)
		}
		if t.Failed() {
			t.Log(w.log)
		}
	})
	return w
}

// daemon serves remote.sock: handle gets each client and its connection, which is
// closed when it returns.
func (w *world) daemon(handle func(*behalf.Client, *net.UnixConn)) {
	w.t.Helper()
	w.t.Cleanup(serveDaemon(w.t, w.tmp.Remote(), handle))
}

// serveDaemon is albatrossd's side of remote.sock.
func serveDaemon(t testing.TB, socket string, handle func(*behalf.Client, *net.UnixConn)) (stop func()) {
	t.Helper()
	l := must(net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"}))(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				client, err := receive(c)
				if err != nil {
					t.Error(err)
				}
				if client != nil {
					handle(client, c)
				}
			})
		}
	})
	return sync.OnceFunc(func() {
		_ = l.Close()
		wg.Wait()
	})
}

// receive reads an introduction as albatrossd does. There is none where counts come,
// which are answered.
func receive(c net.Conn) (*behalf.Client, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	r := wire.NewReader(c)
	m, err := r.Next()
	if err != nil {
		return nil, err
	}
	p, ok := m.Payload.(wire.Private)
	if !ok {
		return nil, errors.New("no introduction")
	}
	if p.Verb == behalf.VerbCounts {
		return nil, wire.NewWriter(c).WriteMessage(wire.Message{Payload: wire.ReplyEmpty{}})
	}
	client, err := behalf.Announced(p)
	if err != nil {
		return nil, err
	}
	return client, client.Receive(r)
}

// echo sends back what a client sends.
func echo(_ *behalf.Client, c *net.UnixConn) {
	_, _ = io.Copy(c, c)
}

// leaf signs a command, with a new key.
func leaf(t testing.TB, by *pki.CA, name string, c wire.Command) tls.Certificate {
	t.Helper()
	key := must(pki.GenerateKey(pki.Ed25519))(t)
	return certificate(must(by.Sign(pki.Request{Name: name, Command: c, Public: key.Public()}, pki.ValidFor(time.Now(), pki.CommandFor)))(t), key, by.Above())
}

// certificate is what a client presents.
func certificate(c *x509.Certificate, key crypto.Signer, above []*x509.Certificate) tls.Certificate {
	return tls.Certificate{Certificate: append([][]byte{c.Raw}, pki.DER(above)...), PrivateKey: key}
}

// info signs the command of most tests.
func (w *world) info() tls.Certificate {
	w.t.Helper()
	return leaf(w.t, w.family.Web, "shop", wire.UnikernelInfo{})
}

// tlsClient is a client's end that presents a certificate, whoever asks.
func tlsClient(c net.Conn, presents *tls.Certificate) *tls.Conn {
	return tls.Client(c, &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if presents == nil {
				return new(tls.Certificate), nil
			}
			return presents, nil
		},
	})
}

// dial connects to an endpoint; the handshake may still be refused.
func dial(t testing.TB, address string, presents *tls.Certificate) *tls.Conn {
	t.Helper()
	raw := must(net.DialTimeout("tcp", address, patience))(t)
	t.Cleanup(func() { _ = raw.Close() })
	c := tlsClient(raw, presents)
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) dial(presents tls.Certificate) *tls.Conn {
	w.t.Helper()
	return dial(w.t, w.address, &presents)
}

// wantEcho sends something, and wants it back.
func wantEcho(t testing.TB, c *tls.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("%q came back, %v", b, err)
	}
}

// wantEnd wants the orderly end of what a client receives.
func wantEnd(t testing.TB, c *tls.Conn) {
	t.Helper()
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Errorf("%d bytes instead of the end, %v", len(b), err)
	}
}

// wantAnswer wants a Failure with a sentence, about a name, and then the end.
func wantAnswer(t testing.TB, c *tls.Conn, name, sentence string) {
	t.Helper()
	m, err := wire.NewReader(c).Next()
	if err != nil {
		t.Fatal(err)
	}
	f, ok := m.Payload.(wire.Failure)
	if !ok || !strings.Contains(f.Text, sentence) || m.Name != must(vm.ParseWireName(name))(t) || m.Sequence != 0 {
		t.Errorf("answered by %+v, want a failure about %s with %q", m, name, sentence)
	}
	wantEnd(t, c)
}

// wantAlert wants the handshake refused, which a client learns when it reads.
func wantAlert(t testing.TB, c *tls.Conn, alert string) {
	t.Helper()
	if b, err := io.ReadAll(c); err == nil || len(b) > 0 || err.Error() != "remote error: tls: "+alert {
		t.Errorf("%d bytes, %v; want the alert %q", len(b), err, alert)
	}
}

// logged waits for a text in the log.
func (w *world) logged(text string) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		if !strings.Contains(w.log.String(), text) {
			return errors.New("the log has no " + text)
		}
		return nil
	})
}

// deliver puts a revocation list into a directory, as albatrossd does.
func deliver(t testing.TB, dir string, l *pki.CRL) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(dir, l.Key.String()+".pem")
	fresh := filepath.Join(dir, ".new")
	if err := errors.Join(os.WriteFile(fresh, l.PEM(), 0o644), os.Rename(fresh, place)); err != nil {
		t.Fatal(err)
	}
}

// revoke makes the next list of a CA, with one more certificate.
func revoke(t testing.TB, by *pki.CA, previous *pki.CRL, der []byte) *pki.CRL {
	t.Helper()
	serial := must(x509.ParseCertificate(der))(t).SerialNumber
	entry := pki.Entry{Serial: hex.EncodeToString(serial.Bytes())}
	return must(by.Revoke(previous, []pki.Entry{entry}, time.Now(), pki.CRLFor))(t)
}
