package pki

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// recordedAt is when the recorded chains were valid.
var recordedAt = time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)

func diff(want, got any) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(vm.Name{}, vm.Path{}))
}

func ptr[T any](v T) *T { return &v }

// recorded returns the certificates of a recorded file.
func recorded(t testing.TB, file string) []*x509.Certificate {
	t.Helper()
	b, err := os.ReadFile("testdata/chains/" + file)
	if err != nil {
		t.Fatal(err)
	}
	all, err := ParseCertificates(b)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// keyOf returns a key for tests; the same number gives the same key.
func keyOf(n byte) crypto.Signer {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

// holder is a certificate with its key, and those above it.
type holder struct {
	cert  *x509.Certificate
	key   crypto.Signer
	above *holder
}

// spec is a certificate to be signed without the checks of CA.Sign.
type spec struct {
	name    string
	profile profile
	command wire.Command
	content *Content
	once    bool
	key     crypto.Signer           // nil: a new one
	from    time.Time               // zero: recordedAt less an hour
	until   time.Time               // zero: a day after recordedAt
	change  func(*x509.Certificate) // of the template, before it is signed
}

// sign makes what s says, signed by h; nil makes it sign itself.
func (h *holder) sign(t testing.TB, s spec) *holder {
	t.Helper()
	if s.key == nil {
		k, err := GenerateKey(Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		s.key = k
	}
	v := Validity{From: s.from, Until: s.until}
	if v.From.IsZero() {
		v.From = recordedAt.Add(-time.Hour)
	}
	if v.Until.IsZero() {
		v.Until = recordedAt.Add(Day)
	}
	template, err := s.profile.template(v)
	if err != nil {
		t.Fatal(err)
	}
	if s.command != nil {
		said, err := statement{command: s.command, content: s.content, once: s.once}.extensions()
		if err != nil {
			t.Fatal(err)
		}
		template.ExtraExtensions = append(template.ExtraExtensions, said...)
	}
	if template.RawSubject, err = subject(s.name); err != nil {
		t.Fatal(err)
	}
	if s.change != nil {
		s.change(template)
	}
	parent, key := template, s.key
	if h != nil {
		parent, key = h.cert, h.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, s.key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	own(cert)
	return &holder{cert: cert, key: s.key, above: h}
}

// presented returns the chain of h without the root, leaf first.
func (h *holder) presented() [][]byte {
	var ders [][]byte
	for ; h != nil && h.above != nil; h = h.above {
		ders = append(ders, h.cert.Raw)
	}
	return ders
}

// ca returns h as a CA.
func (h *holder) ca(t testing.TB) *CA {
	t.Helper()
	var all []*x509.Certificate
	for at := h; at != nil; at = at.above {
		all = append(all, at.cert)
	}
	ca, err := NewCA(all, h.key)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// some policies, each within the one before.
var (
	large  = vm.Policy{Unikernels: 16, CPUs: vm.MakeSet(0, 1), Memory: 1024, Block: ptr(40), Bridges: vm.MakeSet("service")}
	medium = vm.Policy{Unikernels: 4, CPUs: vm.MakeSet(0), Memory: 256, Bridges: vm.MakeSet("service")}
	small  = vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}
)

// family is a root with two delegations, as the recorded ones.
type family struct{ root, alice, web *holder }

func newFamily(t testing.TB) family {
	t.Helper()
	return familyOf(t, nil, nil, nil)
}

// familyOf makes a family with these keys; nil: new ones.
func familyOf(t testing.TB, root, alice, web crypto.Signer) family {
	t.Helper()
	var f family
	f.root = (*holder)(nil).sign(t, spec{name: "ca", profile: caProfile, key: root})
	f.alice = f.root.sign(t, spec{name: "alice", profile: caProfile, key: alice, command: wire.PolicyAdd{Policy: large}})
	f.web = f.alice.sign(t, spec{name: "web", profile: caProfile, key: web, command: wire.PolicyAdd{Policy: medium}})
	return f
}

// fuzzFamily makes a family that has the same keys in all processes of a fuzz run.
func fuzzFamily(t testing.TB) family {
	t.Helper()
	return familyOf(t, keyOf(210), keyOf(211), keyOf(212))
}

// leaf signs a leaf.
func (h *holder) leaf(t testing.TB, name string, c wire.Command) *holder {
	t.Helper()
	return h.sign(t, spec{name: name, profile: leafProfile, command: c})
}

// extension adds an extension to a template.
func extension(e pkix.Extension) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, e) }
}

// reporter is a testing.T or a rapid.T.
type reporter interface {
	Helper()
	Log(args ...any)
	Fatalf(format string, args ...any)
}

// wantRefused checks why a chain is refused.
func wantRefused(t reporter, err, reason error) *Error {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want: %v", reason)
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("refused with a %T, want an *Error: %v", err, err)
	}
	if !errors.Is(err, reason) {
		t.Fatalf("refused because %q (%v), want: %v", err, e.Reason, reason)
	}
	t.Log(err)
	return e
}

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
