package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"testing"
	"unicode/utf8"

	"albatross/internal/wire"
)

// FuzzVerify presents the certificates of a file. Nothing that is not signed by the
// root gets through, so what is accepted must be the recorded.
func FuzzVerify(f *testing.F) {
	root := recordedRoot(f)
	server := recorded(f, "server.pem")[0]
	known := map[Digest]bool{}
	for _, file := range []string{"shop.pem", "gone.pem", "disk1.pem", "shopc.pem", "rs.pem", "bi.pem", "alice.pem", "server.pem"} {
		all := recorded(f, file)
		known[Fingerprint(all[0])] = true
		var joined []byte
		for _, c := range all {
			joined = append(joined, c.Raw...)
		}
		f.Add(joined)
	}
	f.Fuzz(func(t *testing.T, joined []byte) {
		presented := cut(joined)
		a, err := Verify(presented, root, recordedAt, nil)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
		} else if !known[a.Chain[0].Fingerprint] {
			t.Fatalf("%+v was accepted", a)
		}
		if err := VerifyServer(presented, root, "host", recordedAt, nil); err == nil && string(presented[0]) != string(server.Raw) {
			t.Fatal("another server was accepted")
		}
	})
}

// cut divides bytes at the lengths of their elements.
func cut(b []byte) [][]byte {
	var all [][]byte
	for len(b) > 4 {
		n := 4 + int(b[2])<<8 + int(b[3])
		n = min(n, len(b))
		all, b = append(all, b[:n]), b[n:]
	}
	return all
}

// FuzzCertificate signs a leaf and a CA with any name and any extension, as a hostile
// delegate may: what is accepted is allowed, lies below the delegate, and can be told
// in words.
func FuzzCertificate(f *testing.F) {
	fam := fuzzFamily(f)
	for _, file := range []string{"alice.pem", "shop.pem", "gone.pem", "disk1.pem", "shopc.pem", "rs.pem", "bi.pem"} {
		f.Add("shop", value(recorded(f, file)[0]), []byte(nil), "x", value(recorded(f, "alice.pem")[0]))
	}
	create, err := wire.AppendExtension(nil, wire.UnikernelCreate{Config: config()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(":", create, append([]byte{0x30, 37, 4, 32}, append(make([]byte, 32), 2, 1, 5)...), "", []byte(nil))
	ca, leaf := keyOf(200), keyOf(201)
	f.Fuzz(func(t *testing.T, leafName string, command, content []byte, caName string, policy []byte) {
		if len(leafName)+len(caName) > 1000 || !utf8.ValidString(leafName) || !utf8.ValidString(caName) {
			return // crypto/x509 itself reads no such certificate
		}
		x := fam.web.sign(t, spec{name: caName, profile: caProfile, key: ca, change: withValues(policy, nil)})
		l := x.sign(t, spec{name: leafName, profile: leafProfile, key: leaf, change: withValues(command, content)})
		Describe(x.cert).Lines(recordedAt)
		Describe(l.cert).Lines(recordedAt)
		a, err := Verify(l.presented(), fam.root.cert, recordedAt, nil)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if !name(t, "alice:web:").Contains(a.Name) || Allowed(a.Command) != nil {
			t.Fatalf("%+v was accepted", a)
		}
		for _, p := range a.Policies {
			if p.Policy.FitsIn(large) != nil || !p.Path.Contains(a.Name.Path()) {
				t.Fatalf("%+v was accepted", a)
			}
		}
		Words(a.Command)
	})
}

// withValues adds our extensions with these values; nil: without.
func withValues(command, content []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		if command != nil {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: OIDCommand, Value: command})
		}
		if content != nil {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: OIDContent, Value: content})
		}
	}
}

func FuzzCRL(f *testing.F) {
	fam := fuzzFamily(f)
	l := fam.web.revoke(f, nil, fam.web.leaf(f, "shop", wire.UnikernelInfo{}))
	f.Add(l.DER())
	f.Add(fam.root.revoke(f, nil).DER())
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := ParseCRL(der, fam.web.cert)
		if err != nil {
			if !errors.Is(err, ErrCRL) && !errors.Is(err, ErrCRLIssuer) {
				t.Fatal(err)
			}
			return
		}
		if _, err := (*CRLs)(nil).With(got); err != nil || string(got.DER()) != string(der) {
			t.Fatal(err)
		}
	})
}

// FuzzFiles reads anything as each kind of file.
func FuzzFiles(f *testing.F) {
	fam := fuzzFamily(f)
	key, err := KeyPEM(fam.web.key)
	if err != nil {
		f.Fatal(err)
	}
	csr, err := Request{Name: "shop", Command: wire.UnikernelInfo{}}.PEM(fam.web.key)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{key, csr, fam.web.revoke(f, nil).PEM(), CertificatesPEM(fam.web.cert, fam.alice.cert), []byte(IssuedLine(fam.web.cert))} {
		f.Add(seed)
	}
	ca := fam.web.ca(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		if r, err := ParseRequest(file); err == nil {
			if c, err := ca.Sign(*r, ValidFor(recordedAt, r.DefaultFor())); err == nil {
				Describe(c).Lines(recordedAt)
			}
		}
		if all, err := ParseCertificates(file); err == nil {
			for _, c := range all {
				Describe(c).Lines(recordedAt)
			}
		}
		if l, err := ParseCRLFile(file, fam.root.cert); err == nil && l.DER() == nil {
			t.Fatal("an empty list")
		}
		if k, err := ParseKey(file); err == nil && k.Public() == nil {
			t.Fatal("a key without public key")
		}
		if all, err := ParseIssued(file); err == nil {
			for _, i := range all {
				if _, err := ParseSerial(i.Serial); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := ParseRoot(file); err != nil && !errors.Is(err, ErrPEM) && !errors.Is(err, ErrCA) {
			t.Fatal(err)
		}
	})
}
