package pki

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// TestThreeParties goes the way of a server, a delegate and its client, through
// files only.
func TestThreeParties(t *testing.T) {
	now := recordedAt
	root, err := MakeRoot("ca", keyOf(0), ValidFor(now, RootFor))
	if err != nil {
		t.Fatal(err)
	}
	delegate := func(ca *CA, r Request, n byte) (files []byte) {
		t.Helper()
		csr, err := r.PEM(keyOf(n))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := ParseRequest(csr)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ca.Sign(*parsed, ValidFor(now, parsed.DefaultFor()))
		if err != nil {
			t.Fatal(err)
		}
		return CertificatesPEM(append([]*x509.Certificate{cert}, ca.Above()...)...)
	}
	load := func(certificates []byte, n byte) *CA {
		t.Helper()
		key, err := KeyPEM(keyOf(n))
		if err != nil {
			t.Fatal(err)
		}
		ca, err := ParseCA(certificates, key)
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	alice := load(delegate(root, Request{Name: "alice", Command: wire.PolicyAdd{Policy: large}}, 1), 1)
	web := load(delegate(alice, Request{Name: "web", Command: wire.PolicyAdd{Policy: medium}}, 2), 2)
	if n := len(web.Above()); n != 2 {
		t.Errorf("%d certificates are above what web signs, want web and alice", n)
	}
	signed := Content{Digest{7}, 9}
	leaf := delegate(web, Request{Name: "shop", Command: wire.UnikernelCreate{Config: config()}, Content: &signed}, 3)
	chain, err := ParseCertificates(leaf)
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := ParseRoot(CertificatesPEM(root.Certificate()))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Verify(DER(chain), pinned, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != name(t, "alice:web:shop") || *a.Content != signed || len(a.Policies) != 2 {
		t.Errorf("%+v", a)
	}
	if file, err := FileName(chain[0]); err != nil || file != "shop.pem" {
		t.Errorf("%q, %v", file, err)
	}
}

// TestSignRefused goes through what a CA does not sign, and requests do not ask.
func TestSignRefused(t *testing.T) {
	f := newFamily(t)
	web, root := f.web.ca(t), f.root.ca(t)
	passed := f.web.sign(t, spec{name: "passed", profile: caProfile}).ca(t)
	unikernel := func(change func(*vm.Config)) wire.Command {
		c := config()
		change(&c)
		return wire.UnikernelCreate{Config: c}
	}
	policy := func(change func(*vm.Policy)) wire.Command {
		p := small
		change(&p)
		return wire.PolicyAdd{Policy: p}
	}
	for what, c := range map[string]struct {
		ca     *CA
		r      Request
		reason error
	}{
		"policy larger":                     {web, Request{Name: "x", Command: wire.PolicyAdd{Policy: large}}, ErrPolicy},
		"policy larger, CA without between": {passed, Request{Name: "x", Command: wire.PolicyAdd{Policy: large}}, ErrPolicy},
		"policy without unikernels":         {root, Request{Name: "x", Command: policy(func(p *vm.Policy) { p.Unikernels = 0 })}, ErrPolicy},
		"policy without CPUs":               {root, Request{Name: "x", Command: policy(func(p *vm.Policy) { p.CPUs = nil })}, ErrPolicy},
		"policy without memory":             {root, Request{Name: "x", Command: policy(func(p *vm.Policy) { p.Memory = 16 })}, ErrPolicy},
		"unikernel with another CPU":        {web, Request{Name: "x", Command: unikernel(func(c *vm.Config) { c.CPUs = vm.MakeSet(0, 1) })}, ErrPolicy},
		"unikernel with more memory":        {web, Request{Name: "x", Command: unikernel(func(c *vm.Config) { c.Memory = 257 })}, ErrPolicy},
		"unikernel on another bridge":       {web, Request{Name: "x", Command: unikernel(func(c *vm.Config) { c.Nets[0].Bridge = ptr("secret") })}, ErrPolicy},
		"same, CA without between":          {passed, Request{Name: "x", Command: unikernel(func(c *vm.Config) { c.Memory = 257 })}, ErrPolicy},
		"delegation named by a path":        {root, Request{Name: "a:b", Command: wire.PolicyAdd{Policy: small}}, ErrName},
		"delegation without a name":         {root, Request{Command: wire.PolicyAdd{Policy: small}}, ErrName},
		"delegation named .. of a file":     {root, Request{Name: "../x", Command: wire.PolicyAdd{Policy: small}}, ErrName},
		"command named by a path":           {web, Request{Name: "a:b", Command: wire.UnikernelInfo{}}, ErrName},
		"block command without a name":      {web, Request{Command: wire.BlockRemove{}}, ErrName},
		"policy removal":                    {web, Request{Name: "x", Command: wire.PolicyRemove{}}, ErrNotAllowed},
		"console add":                       {web, Request{Name: "x", Command: wire.ConsoleAdd{}}, ErrNotAllowed},
		"server without a name":             {root, Request{}, ErrName},
		"server named by a file":            {root, Request{Name: "etc/passwd"}, ErrName},
		"server with a strange host":        {root, Request{Name: "server", Hosts: []string{"a b"}}, ErrRequest},
		"command with a host":               {web, Request{Name: "x", Command: wire.UnikernelInfo{}, Hosts: []string{"a"}}, ErrRequest},
		"content beside an image":           {web, Request{Name: "x", Command: wire.UnikernelCreate{Config: config(), Image: []byte("ELF")}, Content: &Content{}}, ErrExtension},
		"content of a server":               {web, Request{Name: "x", Content: &Content{}}, ErrExtension},
		"one use of a server":               {web, Request{Name: "x", Once: true}, ErrExtension},
		"one use of a delegation":           {web, Request{Name: "x", Command: wire.PolicyAdd{Policy: small}, Once: true}, ErrExtension},
		"command that cannot be written":    {web, Request{Name: "x", Command: wire.UnikernelCreate{Config: vm.Config{Type: 9}}}, ErrExtension},
	} {
		t.Run(what, func(t *testing.T) {
			c.r.Public = keyOf(0).Public()
			if _, err := c.ca.Sign(c.r, ValidFor(recordedAt, CommandFor)); !errors.Is(err, c.reason) {
				t.Errorf("%v, want: %v", err, c.reason)
			} else {
				t.Log(err)
			}
			if c.reason == ErrPolicy {
				return // asked of the CA only
			}
			if _, err := c.r.PEM(keyOf(0)); !errors.Is(err, c.reason) {
				t.Errorf("request: %v, want: %v", err, c.reason)
			}
		})
	}
	once := Request{Name: "x", Command: wire.UnikernelDestroy{}, Once: true, Public: keyOf(0).Public()}
	if _, err := web.Sign(once, ValidFor(recordedAt, OnTheFlyFor)); err != nil {
		t.Error(err)
	}
	if _, err := web.Sign(once, ValidFor(recordedAt, OnceFor)); !errors.Is(err, ErrRequest) {
		t.Errorf("one use within a long time: %v", err)
	}
	good := Request{Name: "x", Command: wire.UnikernelInfo{}, Public: keyOf(0).Public()}
	if _, err := web.Sign(good, ValidFor(recordedAt, CommandFor)); err != nil {
		t.Error(err)
	}
	for what, v := range map[string]Validity{"none": {}, "backwards": {recordedAt, recordedAt.Add(-1)}, "year 10000": ValidFor(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), 2*Day)} {
		if _, err := web.Sign(good, v); !errors.Is(err, ErrRequest) {
			t.Errorf("validity %s: %v", what, err)
		}
	}
	good.Public = nil
	if _, err := web.Sign(good, ValidFor(recordedAt, CommandFor)); !errors.Is(err, ErrRequest) {
		t.Errorf("no public key: %v", err)
	}
}

// TestCAPolicies asks each CA what bounds it.
func TestCAPolicies(t *testing.T) {
	f := newFamily(t)
	for what, c := range map[string]struct {
		ca   *CA
		want *vm.Policy
	}{
		"root":   {f.root.ca(t), nil},
		"alice":  {f.alice.ca(t), &large},
		"web":    {f.web.ca(t), &medium},
		"passed": {f.web.sign(t, spec{name: "p", profile: caProfile}).ca(t), &medium},
	} {
		got, err := c.ca.Policy()
		if d := diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: %v, %s", what, err, d)
		}
	}
	if _, err := NewCA([]*x509.Certificate{f.web.cert}, f.alice.key); !errors.Is(err, ErrKey) {
		t.Errorf("another's key: %v", err)
	}
	if _, err := NewCA([]*x509.Certificate{f.web.leaf(t, "x", wire.UnikernelInfo{}).cert}, f.web.key); !errors.Is(err, ErrCA) {
		t.Errorf("a leaf: %v", err)
	}
	if _, err := NewCA([]*x509.Certificate{f.web.cert, f.root.cert}, f.web.key); !errors.Is(err, ErrCA) {
		t.Errorf("a gap above: %v", err)
	}
	if _, err := NewCA(nil, f.web.key); !errors.Is(err, ErrCA) {
		t.Errorf("nothing: %v", err)
	}
}

func TestSubCA(t *testing.T) {
	f := newFamily(t)
	cert, err := f.web.ca(t).SubCA("Some Office", keyOf(0).Public(), ValidFor(recordedAt, DelegationFor))
	if err != nil {
		t.Fatal(err)
	}
	sub := &holder{cert: cert, key: keyOf(0), above: f.web}
	if a := verify(t, f, sub.leaf(t, "shop", wire.UnikernelInfo{})); a.Name != name(t, "alice:web:shop") {
		t.Errorf("%v", a.Name)
	}
	if _, err := f.web.ca(t).SubCA("", keyOf(0).Public(), ValidFor(recordedAt, DelegationFor)); !errors.Is(err, ErrName) {
		t.Errorf("no name: %v", err)
	}
	if _, err := MakeRoot("a/b", keyOf(0), ValidFor(recordedAt, RootFor)); !errors.Is(err, ErrName) {
		t.Errorf("root with a slash: %v", err)
	}
}

func TestFileName(t *testing.T) {
	f := newFamily(t)
	for cn, want := range map[string]string{"shop": "shop.pem", "www.example.org": "www.example.org.pem", ":": ":.pem", ".": "..pem", "../x": "", "a/b": "", "..": "", "": "", "a\nb": ""} {
		got, err := FileName(f.web.leaf(t, cn, wire.UnikernelInfo{}).cert)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", cn, got, err, want)
		}
	}
}

func TestParseRoot(t *testing.T) {
	f := newFamily(t)
	if _, err := ParseRoot(CertificatesPEM(f.root.cert)); err != nil {
		t.Error(err)
	}
	for what, file := range map[string][]byte{
		"two":     CertificatesPEM(f.root.cert, f.root.cert),
		"none":    []byte("no PEM"),
		"a leaf":  CertificatesPEM(f.web.leaf(t, "x", wire.UnikernelInfo{}).cert),
		"garbage": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	} {
		if _, err := ParseRoot(file); !errors.Is(err, ErrPEM) && !errors.Is(err, ErrCA) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
