package legacy

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/cli/keyring"
	"albatross/internal/client/clienttest"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// afar is a directory, which is the working directory too, of who uses a remote
// host.
type afar struct {
	place
	host     *clienttest.Host
	endpoint *clienttest.Endpoint
	server   *clienttest.Server
}

// runFar runs a command line with --destination.
func (a afar) runFar(args ...string) result {
	a.t.Helper()
	return a.runBare(append(args, "-d", a.server.Address())...)
}

// runBare runs a command line as it is.
func (a afar) runBare(args ...string) result {
	a.t.Helper()
	var out, err bytes.Buffer
	code := run(a.t.Context(), args, &out, &err, []string{"TMPDIR=" + a.dir})
	return result{code, out.String(), err.String()}
}

// newAfar makes the three parties by command lines: the directory ca has a root CA
// and its server, the working directory what alice:web: has got.
func newAfar(t *testing.T, change func(*afar)) afar {
	t.Helper()
	a := afar{place: newPlace(t), host: clienttest.NewHost(api.State{})}
	ca := t.TempDir()
	t.Chdir(ca)
	a.must("generate", "ca", "db")
	a.must("add-policy", "alice", "16", "--mem=1024", "--cpu=0", "--cpu=1", "--block=40", "--bridge=service", "--csr")
	a.must("sign", "cacert.pem", "db", "ca.key", "alice.req")
	a.must("replace-policy", "web", "4", "--mem=256", "--block=40", "--bridge=service", "--csr")
	a.must("sign", "alice.pem", "db", "alice.key", "web.req", "--days=3")
	t.Chdir(a.dir)
	for from, to := range map[string]string{"web.pem": "ca.pem", "web.key": "ca.key", "cacert.pem": "cacert.pem"} {
		content, err := os.ReadFile(filepath.Join(ca, from))
		if err == nil {
			err = os.WriteFile(to, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := keyring.Root("cacert.pem")
	if err != nil {
		t.Fatal(err)
	}
	a.endpoint = &clienttest.Endpoint{Root: root, VMMD: a.host, Console: clienttest.Consoles{Ends: true}, Stats: clienttest.Samples{Ends: true}}
	if a.endpoint.Certificate, err = certificateOf(filepath.Join(ca, "server")); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&a)
	}
	if a.server, err = clienttest.ListenTLS(a.endpoint); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return a
}

func (a afar) must(args ...string) result {
	a.t.Helper()
	r := a.runBare(args...)
	if r.code != exitOK {
		a.t.Fatalf("%v: %+v", args, r)
	}
	return r
}

// TestEveryCommandFromAfar runs each command with --destination.
func TestEveryCommandFromAfar(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := newAfar(t, func(a *afar) {
		www := name(a.t, "alice:web:www")
		a.endpoint.Console = clienttest.Consoles{
			Lines: map[vm.Name][]clienttest.Line{www: {{Time: at, Text: "one"}}}, Ends: true, Inactive: []vm.Name{name(a.t, "alice:web:old")},
		}
		a.endpoint.Stats = clienttest.Samples{Ends: true, Samples: []wire.Named[vm.Stats]{{Name: www}}}
	})
	image := bytes.Repeat([]byte("IMAGE"), 100_000)
	file := a.file("image", image)
	full, created := "host [unikernel: alice:web:www]: ", "success: created unikernel\n"
	a.runFar("create", "www", file).expect(t, 0, full+created, "")
	if !bytes.Equal(a.host.Image(name(t, "alice:web:www")), image) || !a.host.Last().Payload.(wire.UnikernelCreate).Config.Compressed {
		t.Error("the image did not arrive, or not compressed")
	}
	a.runFar("create", "www", file, "--compression-level=0").expect(t, exitRefused, "",
		"albatross-client: [WARNING] host [unikernel: alice:web:www]: command failed unikernel alice.web.www exists already\n")
	a.runFar("create", "-f", "www", file, "--compression-level=0").expect(t, 0, full+created, "")
	a.runFar("create", "big", file, "--mem=257").expect(t, exitUsage, "",
		"albatross-client: [ERROR] the command cannot be signed: policy does not allow it: the policy of the CA allows 256 MB memory, which is fewer than 257 MB\n")
	if got := a.runFar("info"); got.code != 0 || !strings.HasPrefix(got.out, "host [unikernel: alice:web:]: [unikernel: :www]: typ solo5 started ") {
		t.Errorf("info: %+v", got)
	}
	if got := a.runFar("info", "-n", "www"); got.code != 0 || !strings.HasPrefix(got.out, full+"[unikernel: alice:web:www]: typ solo5 ") {
		t.Errorf("info -n: %+v", got)
	}
	got := a.runFar("get", "www")
	if got.code != 0 || !strings.HasPrefix(got.out, "dumped image to "+a.dir+"/alice:web:www20") || !bytes.Equal(a.written("alice:web:www"), image) {
		t.Errorf("get: %+v", got)
	}
	a.runFar("restart", "www").expect(t, 0, full+created, "")
	a.runFar("restart", "www", "--replace-arguments", "--mem=64").expect(t, 0, full+created, "")
	a.runFar("console", "www").expect(t, 0, full+"success: subscribed\nconsole 2026-01-02T03:04:05-00:00: one\n", ended1(a))
	a.runFar("inactive-consoles").expect(t, 0, "host [unikernel: alice:web:]: [unikernel: :old]\n", "")
	if got := a.runFar("stats"); got.code != 0 || !strings.HasPrefix(got.out, "host [unikernel: alice:web:]: success: subscribed\nstats [unikernel: :www]: utime ") {
		t.Errorf("stats: %+v", got)
	}
	a.runFar("policy").expect(t, 0, "host [unikernel: alice:web:]: [unikernel: :]: policy: 4 unikernels 0 CPUids 256 MB memory 40 MB block, bridges: service\n", "")
	a.runFar("destroy", "www").expect(t, 0, full+"success: destroyed unikernel\n", "")

	disk := "host [unikernel: alice:web:d]: "
	content := bytes.Repeat([]byte("x"), 1<<20)
	data := a.file("data", content)
	a.runFar("create-block", "d", "1", "--data="+data).expect(t, 0, disk+"success: added block device\n"+disk+"success: set block device\n", "")
	a.runFar("set-block", "d", data, "--compression-level=0").expect(t, 0, disk+"success: set block device\n", "")
	a.runFar("block").expect(t, 0, "host [unikernel: alice:web:]: block [unikernel: :d] size 1 MB active false\n", "")
	if got := a.runFar("dump-block", "d"); got.code != 0 || !bytes.Equal(a.written("alice:web:d"), content) {
		t.Errorf("dump-block: %+v", got)
	}
	a.runFar("destroy-block", "d").expect(t, 0, disk+"success: removed block\n", "")

	for _, line := range []string{"add-policy x 1 --bridge=b", "replace-policy x 1 --bridge=b", "remove-policy", "stats-add 17", "stats-remove"} {
		if got := a.runFar(strings.Fields(line)...); got.code != exitUsage || !strings.Contains(got.err, "a certificate cannot be used to ") {
			t.Errorf("%s: %+v", line, got)
		}
	}
	if got := a.runFar("destroy", "a:b"); got.code != exitUsage || !strings.Contains(got.err, "a.b is more than one label") {
		t.Errorf("destroy: %+v", got)
	}
	if got := a.runFar("update", "gone"); got.code != exitBroken {
		t.Errorf("update: %+v", got)
	}
}

// ended1 is what is said where a stream ended.
func ended1(a afar) string {
	return fmt.Sprintf("albatross-client: [WARNING] %s ended the stream: it may refuse the certificate or the command\n", a.server.Address())
}

// TestCertificates goes the long way of every command: request, signature,
// certificate.
func TestCertificates(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := newAfar(t, func(a *afar) {
		a.endpoint.Console = clienttest.Consoles{Lines: map[vm.Name][]clienttest.Line{name(a.t, "alice:web:www"): {{Time: at, Text: "one"}}}, Ends: true}
	})
	image := bytes.Repeat([]byte("IMAGE"), 1000)
	file := a.file("image", image)
	full := "host [unikernel: alice:web:www]: "
	for _, test := range []struct{ command, file, want string }{
		{"create www " + file, "www", full + "success: created unikernel\n"},
		{"restart www", "www", full + "success: created unikernel\n"},
		{"info -nwww", "www", full + "[unikernel: alice:web:www]: typ solo5 "},
		{"info", ".", "host [unikernel: alice:web:]: [unikernel: :www]: typ solo5 "},
		{"get www", "www", "dumped image to "},
		{"console www", "www", full + "success: subscribed\nconsole "},
		{"inactive-consoles", ".", "host [unikernel: alice:web:]: no consoles\n"},
		{"stats", ".", "host [unikernel: alice:web:]: success: subscribed\n"},
		{"policy", ".", "host [unikernel: alice:web:]: [unikernel: :]: policy: 4 "},
		{"create-block d 1", "d", "host [unikernel: alice:web:d]: success: added block device\n"},
		{"block", ".", "host [unikernel: alice:web:]: block [unikernel: :d] "},
		{"dump-block d", "d", "dumped to "},
		{"destroy-block d", "d", "host [unikernel: alice:web:d]: success: removed block\n"},
		{"destroy www", "www", full + "success: destroyed unikernel\n"},
	} {
		a.runBare(append(strings.Fields(test.command), "--csr")...).expect(t, 0, "", "")
		signed := a.runBare("sign", "ca.pem", "db", "ca.key", test.file+".req")
		if signed.code != 0 || !strings.HasPrefix(signed.out, "signing certificate with subject CN="+test.file+"\nsigning [unikernel: ") {
			t.Errorf("%s: %+v", test.command, signed)
			continue
		}
		got := a.runFar("certificate", test.file+".pem", test.file+".key")
		if got.code != exitOK || !strings.HasPrefix(got.out, test.want) {
			t.Errorf("%s: %+v", test.command, got)
		}
	}
	mode := func(file string) fs.FileMode {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	if key, request, cert := mode("www.key"), mode("www.req"), mode("www.pem"); key != 0o600 || request != 0o644 || cert != 0o644 {
		t.Errorf("modes %v, %v, %v", key, request, cert)
	}
	db, err := os.ReadFile("db")
	if issued, e := pki.ParseIssued(db); err != nil || e != nil || len(issued) != 14 || issued[0].Name != "www" || issued[3].Name != "." {
		t.Errorf("db: %v, %v, %v", issued, err, e)
	}
	for line, want := range map[string]string{
		"certificate www.pem d.key":    "the private key d.key is not that of the certificate www.pem\n",
		"certificate www.pem image":    "",
		"certificate image www.key":    "",
		"sign ca.pem db d.key www.req": "signing: d.key: unusable key: the private key is not that of the certificate \"web\"\n",
		"sign ca.pem db ca.key ca.pem": "signing: ca.pem: unusable PEM file: it has no CERTIFICATE REQUEST in PEM form\n",
	} {
		got := a.runBare(strings.Fields(line)...)
		if strings.HasPrefix(line, "certificate") {
			got = a.runFar(strings.Fields(line)...)
		}
		if got.code != exitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", line, got)
		}
	}
	for _, line := range []string{"set-block d image", "create-block d 1 --data=image", "update www", "policy -px", "info -na:b", "add-policy a:b 1"} {
		got := a.runBare(append(strings.Fields(line), "--csr")...)
		wrong := got.code == exitUsage
		if line == "set-block d image" {
			a.must("sign", "ca.pem", "db", "ca.key", "d.req")
			wrong = a.runFar("certificate", "d.pem", "d.key").code == exitUsage
		}
		if !wrong {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// TestSignersPolicy does not let a signer give what it has not got.
func TestSignersPolicy(t *testing.T) {
	a := newAfar(t, nil)
	a.must("add-policy", "sub", "5", "--mem=100", "--csr")
	got := a.runBare("sign", "ca.pem", "db", "ca.key", "sub.req")
	if got.code != exitUsage || !strings.Contains(got.err, "signing: policy does not allow it: the policy above allows 4 unikernels, which is fewer than 5") {
		t.Errorf("%+v", got)
	}
	a.must("create", "www", a.file("image", []byte("IMAGE")), "--net=other", "--csr")
	got = a.runBare("sign", "ca.pem", "db", "ca.key", "www.req")
	if got.code != exitUsage || !strings.Contains(got.err, "the policy of the CA does not allow the bridges") {
		t.Errorf("%+v", got)
	}
	for _, file := range []string{"sub.pem", "www.pem", "db"} {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestGenerate compares with what Albatross's client makes.
func TestGenerate(t *testing.T) {
	for _, kind := range pki.KeyTypes() {
		a := afar{place: newPlace(t)}
		t.Chdir(a.dir)
		a.runBare("generate", "top", "signed.db", "--days=10", "--server=www.example.org", "--server-days=5", "--key-type="+string(kind)).expect(t, 0, "", "")
		root, err := keyring.CA("cacert.pem", "top.key")
		if err != nil {
			t.Fatal(err)
		}
		certs, err := keyring.Certificates("www.example.org.pem")
		if err != nil || len(certs) != 1 {
			t.Fatal(certs, err)
		}
		about, server := pki.Describe(root.Certificate()), pki.Describe(certs[0])
		if about.Kind != pki.KindRoot || about.Subject != "top" || about.Key != kind || about.Until.Sub(about.From).Round(time.Hour) != 10*pki.Day {
			t.Errorf("%s: root %+v", kind, about)
		}
		if server.Kind != pki.KindServer || server.Subject != "www.example.org" || server.Issuer != "top" || server.Key != kind ||
			len(server.Hosts) != 0 || server.Until.Sub(server.From).Round(time.Hour) != 5*pki.Day {
			t.Errorf("%s: server %+v", kind, server)
		}
		if err := pki.VerifyServer(pki.DER(certs), root.Certificate(), "any", time.Now(), nil); err != nil {
			t.Error(err)
		}
		key, err := os.ReadFile("top.key")
		if err != nil {
			t.Fatal(err)
		}
		a.runBare("generate", "top", "signed.db").expect(t, 0, "", "") // with the keys that there are
		if again, err := os.ReadFile("top.key"); err != nil || !bytes.Equal(key, again) {
			t.Errorf("the key was replaced, or %v", err)
		}
		db, err := os.ReadFile("signed.db")
		if want := server.Serial + " www.example.org\n"; err != nil || !strings.HasPrefix(string(db), want) || strings.Count(string(db), "\n") != 2 {
			t.Errorf("db %q, %v", db, err)
		}
	}
	a := afar{place: newPlace(t)}
	t.Chdir(a.dir)
	if err := os.WriteFile("top.key", []byte("what is this"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.runBare("generate", "top", "db").expect(t, exitUsage, "", "albatross-client: [ERROR] generating: top.key: unusable key: the file has no private key in PEM form\n")
}

// TestTrust has each of the parties meet another than it should.
func TestTrust(t *testing.T) {
	other, err := clienttest.NewFamily("127.0.0.1", "elsewhere.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what   string
		change func(*afar)
		files  func(*afar)
		code   int
		want   string
	}{
		{"a server of another CA", func(a *afar) { a.endpoint.Certificate = other.Server }, nil, exitServer, "is not trusted: its "},
		{"another host's root", nil, func(a *afar) { write(t, "cacert.pem", other.Root.Certificate()) }, exitChain, "is not signed by the root CA"},
		{"a host with another root", func(a *afar) { a.endpoint.Root = other.Root.Certificate() }, nil, exitRefused, "command failed certificate \"alice\" is "},
		{"the same of 2.7", func(a *afar) { a.endpoint.Root, a.endpoint.Old = other.Root.Certificate(), true }, nil, exitRejected, "the host does not know the CA"},
		{"a host with a late clock", func(a *afar) {
			a.endpoint.Now = func() time.Time { return time.Now().Add(time.Hour) }
		}, nil, exitRefused, "command failed certificate \".\" expired"},
		{"the same of 2.7", func(a *afar) {
			a.endpoint.Now, a.endpoint.Old = func() time.Time { return time.Now().Add(time.Hour) }, true
		}, nil, exitRejected, "has expired"},
		{"no host", nil, func(a *afar) { _ = a.server.Close() }, exitConnect, "nobody listens on 127.0.0.1:"},
		{"a key of another CA", nil, func(a *afar) {
			if err := os.Remove("ca.key"); err != nil {
				t.Fatal(err)
			}
			if _, err := keyring.NewKey("ca.key", pki.P256); err != nil {
				t.Fatal(err)
			}
		}, exitUsage, "the private key is not that of the certificate"},
	} {
		t.Run(test.what, func(t *testing.T) {
			a := newAfar(t, test.change)
			if test.files != nil {
				test.files(&a)
			}
			if got := a.runFar("info"); got.code != test.code || !strings.Contains(got.err, test.want) || got.out != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func write(t *testing.T, file string, c *x509.Certificate) {
	t.Helper()
	if err := keyring.Replace(file, pki.CertificatesPEM(c), keyring.Public); err != nil {
		t.Fatal(err)
	}
}

// TestOldHost closes without a reply where it refuses, which 2.7 takes for a success.
func TestOldHost(t *testing.T) {
	a := newAfar(t, func(a *afar) { a.endpoint.Old = true })
	a.runFar("policy").expect(t, 0, "host [unikernel: alice:web:]: [unikernel: :]: policy: 4 unikernels 0 CPUids 256 MB memory 40 MB block, bridges: service\n", "")
	s, err := clienttest.ListenTCP(func(net.Conn) {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got := a.runBare("info", "-d", s.Address()); got.code != exitBroken || !strings.Contains(got.err, "closed the connection in the TLS handshake") {
		t.Errorf("%+v", got)
	}
}

func TestDestinations(t *testing.T) {
	for s, want := range map[string]string{
		"host": "host 0", "host:12": "host 12", "192.0.2.1:12": "192.0.2.1 12", "::1": "::1 0", "2001:db8::1:12": "2001:db8::1 12", "[2001:db8::1]:12": "2001:db8::1 12",
	} {
		a := new(app)
		if err := a.setHost(s); err != nil || fmt.Sprint(a.host, " ", a.port) != want {
			t.Errorf("%s: %q %d, %v", s, a.host, a.port, err)
		}
	}
}

// TestUpdateFromAfar replaces a unikernel by two commands that are signed.
func TestUpdateFromAfar(t *testing.T) {
	old, latest := guestImage(t, guest.TargetHVT, "web"), guestImage(t, guest.TargetSPT, "web")
	url := builderWeb(t, "web", old, latest)
	a := newAfar(t, func(a *afar) {
		s := running(t, "alice:web:www", old, vm.NetInfo{Name: "service", Bridge: "service", MAC: vm.MAC{2, 0, 0, 0, 0, 7}})
		s.Unikernels[0].Info.CPUs = vm.MakeSet(0)
		a.host = clienttest.NewHost(s)
		a.endpoint.VMMD = a.host
	})
	compare := "compare at " + url + "/compare/build-0/build-1\n"
	a.runFar("update", "www", "--http-host="+url, "--dry-run").expect(t, 0, compare, "")
	a.runFar("update", "www", "--http-host="+url).expect(t, 0, compare+"host [unikernel: alice:web:www]: success: created unikernel\n", "")
	if !bytes.Equal(a.host.Image(name(t, "alice:web:www")), latest) || !a.host.Last().Payload.(wire.UnikernelCreate).Force {
		t.Error("it was not replaced by the latest build")
	}
}
