package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"testing"

	"albatross/internal/wire"
)

// TestRequests writes and reads requests of every kind.
func TestRequests(t *testing.T) {
	follows := Content{Digest{3}, 9}
	for what, r := range map[string]Request{
		"command":    {Name: "shop", Command: wire.UnikernelInfo{}},
		"path":       {Name: ".", Command: wire.ConsoleListInactive{}},
		"nameless":   {Command: wire.PolicyInfo{}},
		"create":     {Name: "shop", Command: wire.UnikernelCreate{Config: config(), Image: []byte("ELF")}},
		"streamed":   {Name: "shop", Command: wire.UnikernelCreate{Config: config(), Image: []byte{}}, Content: &follows},
		"set":        {Name: "disk", Command: wire.BlockSet{}, Content: &follows, Once: true},
		"delegation": {Name: "alice", Command: wire.PolicyAdd{Policy: large}},
		"server":     {Name: "server"},
		"hosts":      {Name: "server", Hosts: []string{"host.example.org", "192.0.2.1", "2001:db8::1"}},
	} {
		file, err := r.PEM(keyOf(0))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := ParseRequest(file)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		r.Public = keyOf(0).Public()
		if d := diff(r, *got); d != "" {
			t.Errorf("%s (- written, + read)\n%s", what, d)
		}
	}
}

// TestRequestExtension looks at what Albatross would read: the extension within the
// request for extensions, not critical.
func TestRequestExtension(t *testing.T) {
	file, err := Request{Name: "shop", Command: wire.UnikernelInfo{}}.PEM(keyOf(0))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(file)
	csr, err := x509.ParseCertificateRequest(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	want := value(recorded(t, "shop.pem")[0])
	if len(csr.Extensions) != 1 || csr.Extensions[0].Critical || !csr.Extensions[0].Id.Equal(OIDCommand) || !bytes.Equal(csr.Extensions[0].Value, want) {
		t.Errorf("%+v, want %x", csr.Extensions, want)
	}
}

// raw returns Albatross's extension with a value in hexadecimal digits.
func raw(t testing.TB, value string) []pkix.Extension {
	return []pkix.Extension{{Id: OIDCommand, Value: unhex(t, value)}}
}

func TestRequestRefused(t *testing.T) {
	good, err := Request{Name: "shop", Command: wire.UnikernelInfo{}}.PEM(keyOf(0))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(good)
	csr := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: der}) }
	made := func(change func(*x509.CertificateRequest)) []byte {
		template := &x509.CertificateRequest{}
		change(template)
		der, err := x509.CreateCertificateRequest(rand.Reader, template, keyOf(0))
		if err != nil {
			t.Fatal(err)
		}
		return csr(der)
	}
	for what, c := range map[string]struct {
		file   []byte
		reason error
	}{
		"nothing":         {nil, ErrPEM},
		"two":             {append(good, good...), ErrPEM},
		"garbage":         {csr([]byte("garbage")), ErrRequest},
		"changed":         {csr(bytes.Replace(b.Bytes, []byte("shop"), []byte("shot"), 1)), ErrRequest},
		"another version": {made(func(c *x509.CertificateRequest) { c.ExtraExtensions = raw(t, "3009 020104 a304 b3020500") }), ErrVersion},
		"unknown command": {made(func(c *x509.CertificateRequest) { c.ExtraExtensions = raw(t, "3009 020105 a304 be020500") }), ErrExtension},
		"two names": {made(func(c *x509.CertificateRequest) {
			var cert x509.Certificate
			twoNames(t)(&cert)
			c.RawSubject = cert.RawSubject
		}), ErrName},
	} {
		if _, err := ParseRequest(c.file); !errors.Is(err, c.reason) {
			t.Errorf("%s: %v, want: %v", what, err, c.reason)
		}
	}
}
