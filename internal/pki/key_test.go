package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"testing"

	"albatross/internal/wire"
)

// TestKeys makes a key of each type, writes and reads it, and has it sign a chain.
func TestKeys(t *testing.T) {
	for _, kind := range KeyTypes() {
		key, err := GenerateKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		file, err := KeyPEM(key)
		if err != nil {
			t.Fatal(err)
		}
		if b, rest := pem.Decode(file); b == nil || b.Type != "PRIVATE KEY" || len(rest) > 0 {
			t.Errorf("%s: written as %s", kind, file)
		}
		again, err := ParseKey(file)
		if err != nil || !samePublic(key.Public(), again.Public()) || TypeOf(again.Public()) != kind {
			t.Errorf("%s: read as %T, %v", kind, again, err)
		}
		root, err := MakeRoot("ca", key, ValidFor(recordedAt, RootFor))
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := root.Sign(Request{Name: "shop", Command: wire.UnikernelInfo{}, Public: key.Public()}, ValidFor(recordedAt, CommandFor))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify([][]byte{leaf.Raw}, root.Certificate(), recordedAt, nil); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := root.Revoke(nil, nil, recordedAt, CRLFor); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := GenerateKey("rsa512"); !errors.Is(err, ErrKey) {
		t.Errorf("rsa512: %v", err)
	}
}

// TestAlbatrossKeys reads EC keys as Albatross writes them: PKCS #8 that names the
// curve outside only, and without the public key.
func TestAlbatrossKeys(t *testing.T) {
	for _, c := range []struct {
		curve elliptic.Curve
		oid   asn1.ObjectIdentifier
	}{
		{elliptic.P256(), asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}},
		{elliptic.P384(), asn1.ObjectIdentifier{1, 3, 132, 0, 34}},
		{elliptic.P521(), asn1.ObjectIdentifier{1, 3, 132, 0, 35}},
	} {
		key, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		scalar, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		inner := marshal(t, struct {
			Version int
			Key     []byte
		}{1, scalar})
		outer := marshal(t, struct {
			Version   int
			Algorithm pkix.AlgorithmIdentifier
			Key       []byte
		}{0, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, Parameters: asn1.RawValue{FullBytes: marshal(t, c.oid)}}, inner})
		got, err := ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: outer}))
		if err != nil || !samePublic(got.Public(), key.Public()) {
			t.Errorf("%s: %v", c.curve.Params().Name, err)
		}
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestOldKeyForms(t *testing.T) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(e)
	if err != nil {
		t.Fatal(err)
	}
	old := map[string][]byte{"RSA PRIVATE KEY": x509.MarshalPKCS1PrivateKey(r), "EC PRIVATE KEY": ec}
	var both []byte
	for kind, der := range old {
		file := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if _, err := ParseKey(file); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		both = append(both, file...)
	}
	for what, file := range map[string][]byte{
		"two keys":      both,
		"nothing":       nil,
		"a certificate": CertificatesPEM(recordedRoot(t)),
		"garbage":       pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("garbage")}),
		"encrypted":     pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("secret")}),
	} {
		if _, err := ParseKey(file); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", what, err)
		} else if bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("%s: the error tells the content", what)
		}
	}
}
