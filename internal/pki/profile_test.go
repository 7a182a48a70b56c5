package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
	"time"

	"albatross/internal/wire"
)

// shape is what certificates of a kind have in common.
type shape struct {
	Version    int
	Extensions map[string]bool // identifier: whether it is critical
	KeyUsage   x509.KeyUsage
	Extended   []x509.ExtKeyUsage
	CA         bool
	MaxPathLen int
	SubjectTag []byte // the beginning of the DER of the subject up to its text
	Lasts      time.Duration
	SKILength  int
	AKILength  int
	Algorithm  x509.SignatureAlgorithm
	Attributes int
}

func shapeOf(c *x509.Certificate) shape {
	s := shape{
		Version: c.Version, Extensions: map[string]bool{}, KeyUsage: c.KeyUsage, Extended: c.ExtKeyUsage, CA: c.IsCA && c.BasicConstraintsValid,
		MaxPathLen: c.MaxPathLen, Lasts: c.NotAfter.Sub(c.NotBefore), SKILength: len(c.SubjectKeyId), AKILength: len(c.AuthorityKeyId),
		Algorithm: c.SignatureAlgorithm, Attributes: len(c.Subject.Names),
	}
	for _, e := range c.Extensions {
		s.Extensions[e.Id.String()] = e.Critical
	}
	// 30 len 31 len 30 len 06 03 550403 0c len
	s.SubjectTag = slices.Clone(c.RawSubject[6:12])
	return s
}

const oidSubjectKeyID = "2.5.29.14"

// TestShapes compares what is signed here with what Albatross signs, field by field.
func TestShapes(t *testing.T) {
	root, err := MakeRoot("ca", keyOf(0), ValidFor(recordedAt, RootFor))
	if err != nil {
		t.Fatal(err)
	}
	sign := func(ca *CA, r Request) *x509.Certificate {
		t.Helper()
		r.Public = keyOf(1).Public()
		c, err := ca.Sign(r, ValidFor(recordedAt, r.DefaultFor()))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	alice := sign(root, Request{Name: "alice", Command: wire.PolicyAdd{Policy: large}})
	ca, err := NewCA([]*x509.Certificate{alice}, keyOf(1))
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]*x509.Certificate{
		"delegation": {recorded(t, "alice.pem")[0], alice},
		"leaf":       {recorded(t, "shop.pem")[0], sign(ca, Request{Name: "shop", Command: wire.UnikernelInfo{}})},
		"server":     {recorded(t, "server.pem")[0], sign(root, Request{Name: "server"})},
	} {
		if d := diff(shapeOf(pair[0]), shapeOf(pair[1])); d != "" {
			t.Errorf("%s (- recorded, + signed here)\n%s", what, d)
		}
	}
	if d := diff(string(recorded(t, "alice.pem")[0].RawSubject), string(alice.RawSubject)); d != "" {
		t.Errorf("subject: %s", d)
	}
	if d := diff(value(recorded(t, "alice.pem")[0]), value(alice)); d != "" {
		t.Errorf("command of alice: %s", d)
	}

	// A root made here has a key identifier too, as RFC 5280 wants.
	got, want := shapeOf(root.Certificate()), shapeOf(recordedRoot(t))
	if critical, ok := got.Extensions[oidSubjectKeyID]; !ok || critical {
		t.Errorf("extensions of the root: %v", got.Extensions)
	}
	delete(got.Extensions, oidSubjectKeyID)
	got.SKILength = 0
	if d := diff(want, got); d != "" {
		t.Errorf("root (- recorded, + made here)\n%s", d)
	}
}

func value(c *x509.Certificate) []byte {
	i := slices.IndexFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(OIDCommand) })
	return c.Extensions[i].Value
}

// TestKeyIdentifiers computes those of the recorded certificates.
func TestKeyIdentifiers(t *testing.T) {
	chain := append(recorded(t, "shop.pem"), recordedRoot(t))
	for i, c := range chain[:3] {
		id, err := keyIdentifier(c.PublicKey)
		if err != nil || string(id) != string(c.SubjectKeyId) {
			t.Errorf("%s: subject %x, %v, recorded %x", c.Subject, id, err, c.SubjectKeyId)
		}
		id, err = keyIdentifier(chain[i+1].PublicKey)
		if err != nil || string(id) != string(c.AuthorityKeyId) {
			t.Errorf("%s: issuer %x, %v, recorded %x", c.Subject, id, err, c.AuthorityKeyId)
		}
	}
}

// TestRecordedSubjects writes the subjects of the recorded certificates.
func TestRecordedSubjects(t *testing.T) {
	for _, file := range []string{"cacert.pem", "server.pem", "shop.pem"} {
		c := recorded(t, file)[0]
		der, err := subject(c.Subject.CommonName)
		if err != nil || string(der) != string(c.RawSubject) {
			t.Errorf("%s: %x, %v, recorded %x", file, der, err, c.RawSubject)
		}
	}
}
