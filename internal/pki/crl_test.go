package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"albatross/internal/wire"
)

// revoke has h revoke others and returns the list.
func (h *holder) revoke(t testing.TB, previous *CRL, others ...*holder) *CRL {
	t.Helper()
	var entries []Entry
	for _, o := range others {
		entries = append(entries, Entry{Serial: serialText(o.cert.SerialNumber)})
	}
	l, err := h.ca(t).Revoke(previous, entries, recordedAt, CRLFor)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// set returns the set of lists.
func set(t testing.TB, lists ...*CRL) *CRLs {
	t.Helper()
	var s *CRLs
	for _, l := range lists {
		var err error
		if s, err = s.With(l); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestRevokedAtEachLevel revokes each certificate of a chain by the CA that issued
// it, and has a chain beside it stay as it is.
func TestRevokedAtEachLevel(t *testing.T) {
	f := newFamily(t)
	shop := f.web.leaf(t, "shop", wire.UnikernelInfo{})
	others := []*holder{
		f.web.leaf(t, "shop", wire.UnikernelInfo{}),
		f.alice.sign(t, spec{name: "web", profile: caProfile, command: wire.PolicyAdd{Policy: medium}}).leaf(t, "shop", wire.UnikernelInfo{}),
		f.root.sign(t, spec{name: "alice", profile: caProfile, command: wire.PolicyAdd{Policy: large}}).leaf(t, "shop", wire.UnikernelInfo{}),
	}
	for level, c := range []struct{ by, revoked *holder }{{f.web, shop}, {f.alice, f.web}, {f.root, f.alice}} {
		revoked := set(t, c.by.revoke(t, nil, c.revoked))
		_, err := Verify(shop.presented(), f.root.cert, recordedAt, revoked)
		e := wantRefused(t, err, ErrRevoked)
		if e.Level != level || e.Subject != subjectText(c.revoked.cert) || e.Serial != serialText(c.revoked.cert.SerialNumber) || !e.At.Equal(recordedAt) {
			t.Errorf("level %d: %+v", level, e)
		}
		for at := level; at < len(others); at++ {
			if _, err := Verify(others[at].presented(), f.root.cert, recordedAt, revoked); err != nil {
				t.Errorf("level %d revoked: %v", level, err)
			}
		}
	}
}

// TestRevokedByNamesake has a list from another CA of the same name.
func TestRevokedByNamesake(t *testing.T) {
	f := newFamily(t)
	shop := f.web.leaf(t, "shop", wire.UnikernelInfo{})
	bob := f.root.sign(t, spec{name: "bob", profile: caProfile, command: wire.PolicyAdd{Policy: large}})
	web := bob.sign(t, spec{name: "web", profile: caProfile, command: wire.PolicyAdd{Policy: medium}})
	l := web.revoke(t, nil, shop)
	if _, err := Verify(shop.presented(), f.root.cert, recordedAt, set(t, l)); err != nil {
		t.Errorf("bob's web revoked what alice's issued: %v", err)
	}
	if _, err := ParseCRL(l.DER(), f.web.cert); !errors.Is(err, ErrCRLIssuer) {
		t.Errorf("bob's list is taken for alice's: %v", err)
	}
}

// TestRevokedLater asks the kept links of chains which of them are revoked since.
func TestRevokedLater(t *testing.T) {
	f := newFamily(t)
	kept := map[string][]Link{}
	for _, n := range []string{"a", "b"} {
		stored, err := json.Marshal(verify(t, f, f.web.leaf(t, n, wire.UnikernelInfo{})).Chain)
		if err != nil {
			t.Fatal(err)
		}
		var links []Link
		if err := json.Unmarshal(stored, &links); err != nil {
			t.Fatal(err)
		}
		kept[n] = links
	}
	a, err := ParseSerial(kept["a"][0].Serial)
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.web.ca(t).Revoke(nil, []Entry{{Serial: serialText(a), Reason: 1}}, recordedAt, CRLFor)
	if err != nil {
		t.Fatal(err)
	}
	s := set(t, l)
	if r, ok := s.Revoked(kept["a"]); !ok || r.Level != 0 || r.Subject != "a" || r.Reason != 1 || !r.At.Equal(recordedAt) {
		t.Errorf("%+v, %v", r, ok)
	}
	if r, ok := s.Revoked(kept["b"]); ok {
		t.Errorf("%+v", r)
	}
	if _, ok := (*CRLs)(nil).Revoked(kept["a"]); ok {
		t.Error("the empty set revokes")
	}
	if _, ok := s.Revoked(nil); ok {
		t.Error("an empty chain is revoked")
	}
}

// TestCRLNumbers replaces lists by newer ones only, and leaves sets as they were.
func TestCRLNumbers(t *testing.T) {
	f := newFamily(t)
	a, b := f.web.leaf(t, "a", wire.UnikernelInfo{}), f.web.leaf(t, "b", wire.UnikernelInfo{})
	first := f.web.revoke(t, nil, a)
	second := f.web.revoke(t, first, b)
	if len(second.Entries) != 2 || first.Number.Int64() != recordedAt.Unix() || second.Number.Int64() != recordedAt.Unix()+1 {
		t.Fatalf("%+v, then %+v", first, second)
	}
	one := set(t, first)
	two, err := one.With(second)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := two.With(second); err != nil || same != two {
		t.Errorf("the same list again: %v", err)
	}
	if _, err := two.With(first); !errors.Is(err, ErrCRLOld) {
		t.Errorf("an older list: %v", err)
	}
	if _, err := two.With(f.web.revoke(t, first, a)); !errors.Is(err, ErrCRLOld) {
		t.Errorf("another list with the same number: %v", err)
	}
	if _, ok := one.Revoked(verify(t, f, b).Chain); ok {
		t.Error("the set from before has changed")
	}
	if _, ok := two.Revoked(verify(t, f, b).Chain); !ok {
		t.Error("the new set revokes nothing")
	}
	if set, err := one.With(first); err != nil || set != one {
		t.Errorf("the only list again: %v", err)
	}
	three, err := two.With(f.alice.revoke(t, nil))
	if err != nil || len(three.All()) != 2 || len(two.All()) != 1 || len((*CRLs)(nil).All()) != 0 {
		t.Errorf("%v: %d lists, %d lists", err, len(three.All()), len(two.All()))
	}
	if three.Of(KeyID(f.web.cert)).Number.Cmp(second.Number) != 0 || three.Of(KeyID(f.root.cert)) != nil {
		t.Error("the set has other lists")
	}
}

// TestRevocationsStay adds lists of one issuer in any order: what one of them revokes
// is revoked, and those that say nothing more are not kept.
func TestRevocationsStay(t *testing.T) {
	f := newFamily(t)
	web, key := f.web.ca(t), KeyID(f.web.cert)
	rapid.Check(t, func(t *rapid.T) {
		var s *CRLs
		known := map[string]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "lists") {
			var entries []Entry
			for _, n := range rapid.SliceOfN(rapid.IntRange(1, 5), 0, 5).Draw(t, "revoked") {
				entries = append(entries, Entry{Serial: fmt.Sprintf("%02x", n)})
			}
			at := recordedAt.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "number")) * time.Second)
			l, err := web.Revoke(nil, entries, at, CRLFor)
			if err != nil {
				t.Fatal(err)
			}
			newer := s.Of(key) == nil || l.Number.Cmp(s.Of(key).Number) > 0
			more := slices.ContainsFunc(l.Entries, func(e Entry) bool { return !known[e.Serial] })
			switch next, err := s.With(l); {
			case (newer || more) && err != nil:
				t.Fatalf("refused: %v", err)
			case newer || more:
				s = next
			case next != s && !errors.Is(err, ErrCRLOld):
				t.Fatalf("a list that says nothing: %v", err)
			}
			for _, e := range l.Entries {
				known[e.Serial] = true
			}
			if newer && s.Of(key) != l {
				t.Fatal("the newest list is not the newest")
			}
		}
		for n := range 7 {
			serial := fmt.Sprintf("%02x", n)
			if _, gone := s.Revoked([]Link{{Serial: serial, Issuer: key}}); gone != known[serial] {
				t.Errorf("%s is revoked: %v", serial, gone)
			}
		}
		all := s.All()
		for i, l := range all[1:] {
			if !l.revokesMore(all[:i+1]) || l.Number.Cmp(all[i].Number) > 0 {
				t.Errorf("list %v is kept for nothing", l.Number)
			}
		}
	})
}

// TestCRLNumberOfLost makes a list when the previous one is lost, with clocks before
// and behind.
func TestCRLNumberOfLost(t *testing.T) {
	f := newFamily(t)
	web := f.web.ca(t)
	make := func(previous *CRL, now time.Time) *CRL {
		t.Helper()
		l, err := web.Revoke(previous, nil, now, CRLFor)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := make(nil, recordedAt)
	known := set(t, first, make(first, recordedAt))
	if _, err := known.With(make(nil, recordedAt.Add(time.Minute))); err != nil {
		t.Errorf("after the previous list was lost: %v", err)
	}
	if l := make(first, recordedAt.Add(-time.Hour)); l.Number.Int64() != recordedAt.Unix()+1 {
		t.Errorf("with the clock set back the number is %v", l.Number)
	}
	if l := make(nil, time.Unix(-5, 0)); l.Number.Int64() != 1 {
		t.Errorf("before 1970 the number is %v", l.Number)
	}
}

// TestCRLBelongs tells to which delegation of the root a list belongs, whether the
// root is known in its chain or not.
func TestCRLBelongs(t *testing.T) {
	f := newFamily(t)
	for level, c := range []struct {
		by  *holder
		top Digest
	}{{f.root, Digest{}}, {f.alice, KeyID(f.alice.cert)}, {f.web, KeyID(f.alice.cert)}} {
		made := c.by.revoke(t, nil)
		read, err := ParseCRLFile(made.PEM(), f.root.cert)
		if err != nil {
			t.Fatal(err)
		}
		if made.Top() != c.top || read.Top() != c.top {
			t.Errorf("level %d: belongs to %v, as read to %v", level, made.Top(), read.Top())
		}
		if len(read.Issuers()) != level {
			t.Errorf("level %d: issuers %+v", level, read.Issuers())
		}
	}
	below, err := ParseCRLFile(f.web.revoke(t, nil).PEM(), f.root.cert)
	if err != nil {
		t.Fatal(err)
	}
	if r, gone := set(t, f.root.revoke(t, nil, f.alice)).Revoked(below.Issuers()); !gone || r.Subject != "alice" {
		t.Errorf("a list below a revoked CA: %+v", r)
	}
}

// TestCRLFiles writes lists of each level and reads them knowing the root only.
func TestCRLFiles(t *testing.T) {
	f := newFamily(t)
	shop := f.web.leaf(t, "shop", wire.UnikernelInfo{})
	for level, c := range []struct{ by, revoked *holder }{{f.web, shop}, {f.alice, f.web}, {f.root, f.alice}} {
		file := c.by.revoke(t, nil, c.revoked).PEM()
		l, err := ParseCRLFile(file, f.root.cert)
		if err != nil {
			t.Fatalf("level %d: %v", level, err)
		}
		_, err = Verify(shop.presented(), f.root.cert, recordedAt, set(t, l))
		wantRefused(t, err, ErrRevoked)
		if again := l.PEM(); !bytes.Equal(again, file) {
			t.Errorf("level %d: read %s, written %s", level, file, again)
		}
	}
	other := newFamily(t)
	list := func(l *CRL) []byte { return pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: l.DER()}) }
	l := f.web.revoke(t, nil)
	for what, c := range map[string]struct {
		file   []byte
		root   *x509.Certificate
		reason error
	}{
		"another root":          {l.PEM(), other.root.cert, ErrRoot},
		"no root":               {l.PEM(), nil, ErrRoot},
		"no issuer":             {list(l), f.root.cert, ErrCRLIssuer},
		"another issuer":        {append(list(l), CertificatesPEM(f.alice.cert)...), f.root.cert, ErrCRLIssuer},
		"part of the chain":     {append(list(l), CertificatesPEM(f.web.cert)...), f.root.cert, ErrRoot},
		"another's chain":       {append(list(l), CertificatesPEM(other.web.cert, other.alice.cert)...), f.root.cert, ErrRoot},
		"chain of a leaf":       {append(list(l), CertificatesPEM(shop.cert, f.web.cert, f.alice.cert)...), f.root.cert, ErrCRLIssuer},
		"no list":               {CertificatesPEM(f.web.cert), f.root.cert, ErrPEM},
		"two lists":             {append(list(l), list(l)...), f.root.cert, ErrPEM},
		"a garbage certificate": {append(list(l), pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: []byte("x")})...), f.root.cert, ErrMalformed},
	} {
		if _, err := ParseCRLFile(c.file, c.root); !errors.Is(err, c.reason) {
			t.Errorf("%s: %v, want: %v", what, err, c.reason)
		}
	}
	if _, err := ParseCRLFile(append(f.root.revoke(t, nil).PEM(), CertificatesPEM(f.root.cert)...), f.root.cert); err != nil {
		t.Errorf("the root's list with the root's certificate: %v", err)
	}
}

// TestCRLOfExpired reads the list of a CA that has expired: what it says of what
// still runs is true.
func TestCRLOfExpired(t *testing.T) {
	f := newFamily(t)
	old := f.alice.sign(t, spec{name: "old", profile: caProfile, command: wire.PolicyAdd{Policy: small}, until: recordedAt.Add(-Day / 48)})
	if _, err := ParseCRLFile(old.revoke(t, nil).PEM(), f.root.cert); err != nil {
		t.Error(err)
	}
}

// TestDeliveredCRL has a signed command deliver the list of a CA of its chain.
func TestDeliveredCRL(t *testing.T) {
	f := newFamily(t)
	a := verify(t, f, f.web.leaf(t, "revocation", wire.Private{Verb: VerbCRL, Body: []byte("{}")}))
	for _, h := range []*holder{f.web, f.alice, f.root} {
		l, err := a.CRL(h.revoke(t, nil).DER())
		if err != nil || l.Key != KeyID(h.cert) {
			t.Errorf("%s: %v", subjectText(h.cert), err)
			continue
		}
		if again, err := ParseCRLFile(l.PEM(), f.root.cert); err != nil || again.Key != l.Key {
			t.Errorf("%s, from a file: %v", subjectText(h.cert), err)
		}
	}
	if _, err := a.CRL(newFamily(t).web.revoke(t, nil).DER()); !errors.Is(err, ErrCRLIssuer) {
		t.Errorf("the list of a CA that is not in the chain: %v", err)
	}
	if _, err := a.CRL([]byte("garbage")); !errors.Is(err, ErrCRL) {
		t.Errorf("garbage: %v", err)
	}
}

// TestRootWithoutIdentifier has a root like Albatross's, which has no key identifier.
func TestRootWithoutIdentifier(t *testing.T) {
	f := newFamily(t)
	root := *f.root.cert
	root.SubjectKeyId = nil
	ca, err := NewCA([]*x509.Certificate{&root}, f.root.key)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := ca.Revoke(nil, []Entry{{Serial: "01"}}, recordedAt, CRLFor); err != nil || len(l.Entries) != 1 {
		t.Errorf("%v", err)
	}
}

func TestCRLRefused(t *testing.T) {
	f := newFamily(t)
	made := func(h *holder, change func(*x509.RevocationList)) []byte {
		t.Helper()
		template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: recordedAt, NextUpdate: recordedAt.Add(CRLFor)}
		change(template)
		issuer := *h.cert
		issuer.SubjectKeyId, issuer.KeyUsage = []byte{1}, x509.KeyUsageCRLSign
		der, err := x509.CreateRevocationList(rand.Reader, template, &issuer, h.key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	none := func(*x509.RevocationList) {}
	leaf := f.web.leaf(t, "shop", wire.UnikernelInfo{})
	mute := f.web.sign(t, spec{name: "mute", profile: caProfile, change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }})
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}
	good := made(f.web, none)
	if _, err := ParseCRL(good, f.web.cert); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		der    []byte
		issuer *x509.Certificate
		reason error
	}{
		"garbage":           {[]byte("garbage"), f.web.cert, ErrCRL},
		"trailing bytes":    {append(bytes.Clone(good), 0), f.web.cert, ErrCRL},
		"another issuer":    {good, f.alice.cert, ErrCRLIssuer},
		"another's key":     {good, newFamily(t).web.cert, ErrCRLIssuer},
		"changed":           {bytes.Replace(good, []byte("261123"), []byte("261122"), 1), f.web.cert, ErrCRLIssuer},
		"made by a leaf":    {made(leaf, none), leaf.cert, ErrCRLIssuer},
		"made by a mute CA": {made(mute, none), mute.cert, ErrCRLIssuer},
		"list of changes":   {made(f.web, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{critical} }), f.web.cert, ErrCRL},
		"critical entry": {made(f.web, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(1), RevocationTime: recordedAt, ExtraExtensions: []pkix.Extension{critical}}}
		}), f.web.cert, ErrCRL},
		"without a number":      {unnumbered(t, f.web, good), f.web.cert, ErrCRL},
		"with a huge number":    {made(f.web, func(l *x509.RevocationList) { l.ExtraExtensions = nil; l.Number = maxNumber }), f.web.cert, nil},
		"revoked by a namesake": {made(newFamily(t).web, none), f.web.cert, ErrCRLIssuer},
	} {
		if _, err := ParseCRL(c.der, c.issuer); !errors.Is(err, c.reason) {
			t.Errorf("%s: %v, want: %v", what, err, c.reason)
		}
	}
	web := f.web.ca(t)
	last, err := ParseCRL(made(f.web, func(l *x509.RevocationList) { l.Number = maxNumber }), f.web.cert)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := web.Revoke(last, nil, recordedAt, CRLFor); !errors.Is(err, ErrCRL) {
		t.Errorf("a list after the last number: %v", err)
	}
	if _, err := web.Revoke(f.alice.revoke(t, nil), nil, recordedAt, CRLFor); !errors.Is(err, ErrCRLIssuer) {
		t.Errorf("a list after another's: %v", err)
	}
	for _, serial := range []string{"", "x", "-1", "0102030405060708090a0b0c0d0e0f101112131415161718"} {
		if _, err := web.Revoke(nil, []Entry{{Serial: serial}}, recordedAt, CRLFor); !errors.Is(err, ErrCRL) {
			t.Errorf("serial %q: %v", serial, err)
		}
	}
}

// unnumbered signs a list again without its number.
func unnumbered(t testing.TB, h *holder, der []byte) []byte {
	t.Helper()
	var outer struct {
		List      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	var list struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		ThisUpdate asn1.RawValue
		NextUpdate asn1.RawValue
		Extensions []pkix.Extension `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(outer.List.FullBytes, &list); err != nil {
		t.Fatal(err)
	}
	list.Extensions = list.Extensions[:1]
	outer.List = asn1.RawValue{FullBytes: marshal(t, list)}
	signature, err := h.key.Sign(rand.Reader, outer.List.FullBytes, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return marshal(t, outer)
}
