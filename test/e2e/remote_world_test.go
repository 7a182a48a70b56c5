package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/behalf"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

// farWorld is a world that serves clients far away.
type farWorld struct {
	*world
	ca      string // directory of the root CA
	address string // of albatross-tls
	root    *signer
}

// newFarWorld makes a CA and starts the daemons, those in bin unless that is empty.
func newFarWorld(t testing.TB, bin string) *farWorld {
	t.Helper()
	w := &world{t: t, dir: testutil.TempDirShort(t), bin: bin}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f := &farWorld{world: w, ca: filepath.Join(w.dir, "ca"), address: l.Addr().String()}
	must(t, l.Close())
	w.ok("ca", "create", f.ca, "--host", "127.0.0.1")
	t.Cleanup(w.checkNothingLeft)
	w.ok("up", "--dir", w.dir, "--detach", "--remote-ca", filepath.Join(f.ca, "cacert.pem"), "--listen", f.address)
	t.Cleanup(func() { w.ok("down", "--dir", w.dir) })
	f.root = readSigner(t, filepath.Join(f.ca, "cacert.pem"), filepath.Join(f.ca, "ca.key"), nil)
	return f
}

// tenant is somebody who was given a part of the host, and uses it from afar.
type tenant struct {
	*signer
	f    *farWorld
	name string
	dir  string // of the CA
}

// delegate gives somebody a part of the host.
func (f *farWorld) delegate(name string, limits ...string) *tenant {
	f.t.Helper()
	f.ok(append([]string{"ca", "delegate", name, "--dir", f.ca}, limits...)...)
	x := &tenant{f: f, name: name, dir: filepath.Join(f.ca, name)}
	x.signer = readSigner(f.t, filepath.Join(x.dir, "ca.pem"), filepath.Join(x.dir, "ca.key"), f.root)
	return x
}

// run types a command, as one who is far away.
func (x *tenant) run(args ...string) result {
	x.f.t.Helper()
	cmd := x.f.command("albatross", args...)
	cmd.Env = append(cmd.Env, "ALBATROSS_REMOTE="+x.f.address, "ALBATROSS_CA="+x.dir)
	return execute(x.f.t, cmd)
}

// ok types a command that must succeed.
func (x *tenant) ok(args ...string) string {
	x.f.t.Helper()
	r := x.run(args...)
	if r.code != 0 {
		x.f.t.Fatalf("%s$ albatross %s: exit code %d\n%s%s%s", x.name, strings.Join(args, " "), r.code, r.stdout, r.stderr, x.f.logs())
	}
	return r.stdout
}

// dial completes a handshake as far as a client can tell: whether the certificate is
// accepted shows when it reads.
func (f *farWorld) dial(presents tls.Certificate) *tls.Conn {
	f.t.Helper()
	raw, err := net.DialTimeout("tcp", f.address, patience)
	must(f.t, err)
	f.t.Cleanup(func() { _ = raw.Close() }) // it may be closed already
	must(f.t, raw.SetDeadline(time.Now().Add(patience)))
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // the host is not what is tested
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &presents, nil },
	})
	must(f.t, conn.Handshake())
	return conn
}

// heard is what somebody got as an answer.
type heard struct {
	all      []byte         // every byte
	messages []wire.Message // as far as they are messages
	err      error          // why there is no more; nil: an orderly end
}

// failure returns the sentence of a refusal, or "" if there is none.
func (h heard) failure() string {
	if len(h.messages) == 0 {
		return ""
	}
	switch p := h.messages[0].Payload.(type) {
	case wire.Failure:
		return p.Text
	case wire.Problem:
		return p.Sentence
	}
	return ""
}

// refused reports whether the answer is a failure, an alert, or none.
func (h heard) refused() bool { return len(h.messages) == 0 || h.failure() != "" }

// halfCloser is a connection whose directions end by themselves.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// converse sends bytes, ends, and reads until the other side does.
func converse(conn halfCloser, behind []byte) heard {
	defer conn.Close()
	var sent sync.WaitGroup
	sent.Go(func() {
		_, _ = conn.Write(behind) // who refuses need not read it
		_ = conn.CloseWrite()
	})
	all, err := io.ReadAll(conn)
	sent.Wait()
	return hear(all, err)
}

// hear reads messages from what came.
func hear(all []byte, err error) heard {
	h := heard{all: all, err: err}
	r := wire.NewReader(bytes.NewReader(all))
	r.MaxFrame = 1 << 24
	for {
		m, err := r.Next()
		if err != nil {
			return h
		}
		h.messages = append(h.messages, m)
	}
}

// presents has somebody present a certificate to albatross-tls, send what follows it,
// and listen until the end.
func (f *farWorld) presents(s *signer, behind []byte) heard {
	f.t.Helper()
	conn := f.dial(s.tls())
	h := converse(conn, behind)
	for _, c := range conn.ConnectionState().PeerCertificates {
		h.all = append(h.all, c.Raw...)
	}
	return h
}

// endpoint connects to albatrossd as albatross-tls does.
func (f *farWorld) endpoint() *net.UnixConn {
	f.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(f.dir, "run", "util", "remote.sock"))
	must(f.t, err)
	f.t.Cleanup(func() { _ = conn.Close() }) // it may be closed already
	must(f.t, conn.SetDeadline(time.Now().Add(patience)))
	return conn.(*net.UnixConn)
}

// introduces has somebody in the place of albatross-tls introduce a client, and send
// what follows.
func (f *farWorld) introduces(peer string, chain [][]byte, behind []byte) heard {
	f.t.Helper()
	var b bytes.Buffer
	must(f.t, behalf.Send(wire.NewWriter(&b), peer, chain))
	return converse(f.endpoint(), append(b.Bytes(), behind...))
}

// chunks are raw frames that carry content, and the empty one.
func chunks(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := wire.NewWriter(&b).Chunks()
	_, err := w.Write(content)
	must(t, errors.Join(err, w.Close()))
	return b.Bytes()
}

// audit returns the audit log, the oldest record first.
func (f *farWorld) audit() (all []api.AuditRecord) {
	f.t.Helper()
	for line := range strings.Lines(f.ok("audit", "--json", "--count=0")) {
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r > '~' }) {
			f.t.Errorf("a line of the audit log is not printable: %q", line)
		}
		var r api.AuditRecord
		must(f.t, json.Unmarshal([]byte(line), &r))
		all = append(all, r)
	}
	return all
}

// wantAudited wants a record of a refusal with these words.
func (f *farWorld) wantAudited(words string, by *signer) {
	f.t.Helper()
	print := fmt.Sprintf("%x", sha256.Sum256(by.cert.Raw))
	if !slices.ContainsFunc(f.audit(), func(r api.AuditRecord) bool {
		return r.Outcome == api.AuditRefused && strings.Contains(r.Text, words) && len(r.Chain) > 0 && r.Chain[0].Fingerprint == print
	}) {
		f.t.Errorf("the audit log tells of no refusal of %s with %q", by.cert.Subject, words)
	}
}

// wantAuditWhole wants the audit log to be as it was written.
func (f *farWorld) wantAuditWhole() {
	f.t.Helper()
	if r := f.run("audit", "verify"); r.code != 0 {
		f.t.Errorf("audit verify: %+v", r)
	}
}

// wantEndpointLogged waits until albatross-tls has logged a text.
func (f *farWorld) wantEndpointLogged(text string) {
	f.t.Helper()
	testutil.Eventually(f.t, patience, func() error {
		b, err := os.ReadFile(filepath.Join(f.dir, "log", "albatross-tls.log"))
		if err == nil && !strings.Contains(string(b), text) {
			err = fmt.Errorf("the log of albatross-tls has no %q", text)
		}
		return err
	})
}
