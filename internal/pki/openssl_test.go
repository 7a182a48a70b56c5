package pki

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"albatross/internal/wire"
)

// openssl runs the command in a directory and returns what it says.
func openssl(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func needOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
}

// must returns v, of a step that cannot fail here.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func write(t *testing.T, dir, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOpenSSL has another implementation check chains, lists, requests and keys of
// every type, and make a list and a request that are read here.
func TestOpenSSL(t *testing.T) {
	needOpenSSL(t)
	for _, kind := range KeyTypes() {
		t.Run(string(kind), func(t *testing.T) { interoperate(t, kind) })
	}
}

func interoperate(t *testing.T, kind KeyType) {
	dir := t.TempDir()
	key, err := GenerateKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	keyFile, err := KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	root := must(MakeRoot("ca", key, ValidFor(recordedAt, RootFor)))
	alice := must(root.Sign(Request{Name: "alice", Command: wire.PolicyAdd{Policy: large}, Public: key.Public()}, ValidFor(recordedAt, DelegationFor)))
	ca := must(NewCA([]*x509.Certificate{alice, root.Certificate()}, key))
	leaf := must(ca.Sign(Request{Name: "shop", Command: wire.UnikernelInfo{}, Public: key.Public()}, ValidFor(recordedAt, CommandFor)))
	server := must(root.Sign(Request{Name: "server", Hosts: []string{"host.example.org", "192.0.2.1"}, Public: key.Public()}, ValidFor(recordedAt, ServerFor)))
	list := must(ca.Revoke(nil, []Entry{{Serial: serialText(leaf.SerialNumber)}}, recordedAt, CRLFor))
	request := must(Request{Name: "shop", Command: wire.UnikernelInfo{}}.PEM(key))
	empty := must(root.Revoke(nil, nil, recordedAt, CRLFor))

	write(t, dir, "ca.pem", CertificatesPEM(root.Certificate()))
	write(t, dir, "alice.pem", CertificatesPEM(alice))
	write(t, dir, "leaf.pem", CertificatesPEM(leaf))
	write(t, dir, "server.pem", CertificatesPEM(server))
	write(t, dir, "key.pem", keyFile)
	write(t, dir, "request.pem", request)
	write(t, dir, "alice.crl", list.PEM())
	write(t, dir, "both.crl", append(empty.PEM(), list.PEM()...))

	at := fmt.Sprint(recordedAt.Unix())
	for what, c := range map[string]struct {
		args []string
		want string
		fail bool
	}{
		"leaf":     {[]string{"verify", "-x509_strict", "-attime", at, "-purpose", "sslclient", "-CAfile", "ca.pem", "-untrusted", "alice.pem", "leaf.pem"}, "leaf.pem: OK", false},
		"server":   {[]string{"verify", "-x509_strict", "-attime", at, "-purpose", "sslserver", "-verify_hostname", "host.example.org", "-CAfile", "ca.pem", "server.pem"}, "server.pem: OK", false},
		"address":  {[]string{"verify", "-attime", at, "-verify_ip", "192.0.2.1", "-CAfile", "ca.pem", "server.pem"}, "server.pem: OK", false},
		"revoked":  {[]string{"verify", "-attime", at, "-crl_check_all", "-CRLfile", "both.crl", "-CAfile", "ca.pem", "-untrusted", "alice.pem", "leaf.pem"}, "certificate revoked", true},
		"list":     {[]string{"crl", "-in", "alice.crl", "-CAfile", "alice.pem", "-noout", "-crlnumber"}, fmt.Sprintf("crlNumber=0x%X", recordedAt.Unix()), false},
		"request":  {[]string{"req", "-in", "request.pem", "-verify", "-noout", "-text"}, "1.3.6.1.4.1.49836.42", false},
		"key":      {[]string{"pkey", "-in", "key.pem", "-check", "-noout"}, "", false},
		"own name": {[]string{"x509", "-in", "leaf.pem", "-noout", "-subject", "-nameopt", "show_type"}, "UTF8STRING:shop", false},
	} {
		out, err := openssl(t, dir, c.args...)
		if (err != nil) != c.fail || !strings.Contains(out, c.want) {
			t.Errorf("%s: openssl %s: %v\n%s", what, strings.Join(c.args, " "), err, out)
		}
	}
	fromOpenSSL(t, dir, root)
}

// fromOpenSSL reads a list, a key and a request that openssl makes for the root.
func fromOpenSSL(t *testing.T, dir string, root *CA) {
	t.Helper()
	write(t, dir, "index.txt", nil)
	write(t, dir, "number", []byte("2a\n"))
	write(t, dir, "ca.conf", []byte("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=default\ndefault_crl_days=30\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"))
	if out, err := openssl(t, dir, "ca", "-config", "ca.conf", "-gencrl", "-cert", "ca.pem", "-keyfile", "key.pem", "-out", "openssl.crl"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := ParseCRLFile(must(os.ReadFile(filepath.Join(dir, "openssl.crl"))), root.Certificate())
	if err != nil || l.Number.Int64() != 42 {
		t.Errorf("list made by openssl: %v", err)
	}
	if out, err := openssl(t, dir, "req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", "new.key", "-out", "new.req", "-subj", "/CN=server", "-addext", "subjectAltName=DNS:host.example.org"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k, err := ParseKey(must(os.ReadFile(filepath.Join(dir, "new.key"))))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(must(os.ReadFile(filepath.Join(dir, "new.req"))))
	if err != nil || r.Name != "server" || len(r.Hosts) != 1 || !samePublic(k.Public(), r.Public) {
		t.Errorf("request made by openssl: %+v, %v", r, err)
	}
}
