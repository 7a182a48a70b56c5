package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRefused goes through what Verify refuses. Each case changes one thing in a
// chain that is accepted without the change.
func TestRefused(t *testing.T) {
	f := newFamily(t)
	if _, err := Verify(f.web.leaf(t, "shop", wire.UnikernelInfo{}).presented(), f.root.cert, recordedAt, nil); err != nil {
		t.Fatal(err)
	}
	raw := func(value string) func(*x509.Certificate) {
		return extension(pkix.Extension{Id: OIDCommand, Value: unhex(t, value)})
	}
	leaf := func(s spec) [][]byte {
		if s.profile.usage == 0 {
			s.profile = leafProfile
		}
		return f.web.sign(t, s).presented()
	}
	below := func(s spec) [][]byte {
		s.profile = caProfile
		return f.web.sign(t, s).leaf(t, "shop", wire.UnikernelInfo{}).presented()
	}
	info := wire.UnikernelInfo{}
	shop := f.web.leaf(t, "shop", info).presented()
	other := (*holder)(nil).sign(t, spec{name: "ca", profile: caProfile})
	stranger := (*holder)(nil).sign(t, spec{name: "stranger", profile: caProfile})
	follows := Content{Digest{1}, 5}
	zeros := strings.Repeat("00", len(Digest{}))
	set, err := wire.AppendExtension(nil, wire.BlockSet{})
	if err != nil {
		t.Fatal(err)
	}
	saidContent := func(value string) func(*x509.Certificate) { return withValues(set, unhex(t, value)) }

	for what, c := range map[string]struct {
		chain  [][]byte
		reason error
		level  int
	}{
		"no certificate":                   {nil, ErrMalformed, -1},
		"garbage":                          {[][]byte{[]byte("garbage")}, ErrMalformed, -1},
		"garbage above":                    {[][]byte{shop[0], {0x30, 0}}, ErrMalformed, -1},
		"huge serial number":               {leaf(spec{name: "shop", command: info, change: func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 200) }}), ErrMalformed, -1},
		"root of the same name":            {other.leaf(t, "shop", info).presented(), ErrRoot, 0},
		"delegated by another root":        {other.sign(t, spec{name: "alice", profile: caProfile}).leaf(t, "shop", info).presented(), ErrRoot, 1},
		"root of another name":             {stranger.leaf(t, "shop", info).presented(), ErrRoot, 0},
		"root of another name, presented":  {append(stranger.leaf(t, "shop", info).presented(), stranger.cert.Raw), ErrRoot, 1},
		"intermediate missing":             {shop[:1], ErrRoot, 0},
		"intermediate missing in between":  {[][]byte{shop[0], shop[2]}, ErrOrder, 0},
		"root first":                       {slices.Concat([][]byte{f.root.cert.Raw}, shop), ErrOrder, 0},
		"reversed":                         {[][]byte{shop[2], shop[1], shop[0]}, ErrOrder, 0},
		"intermediates exchanged":          {[][]byte{shop[0], shop[2], shop[1]}, ErrOrder, 0},
		"another certificate in between":   {[][]byte{shop[0], shop[1], f.root.sign(t, spec{name: "bob", profile: caProfile}).cert.Raw, shop[2]}, ErrOrder, 1},
		"another certificate at the end":   {slices.Concat(shop, [][]byte{f.root.sign(t, spec{name: "bob", profile: caProfile}).cert.Raw}), ErrOrder, 2},
		"certificate twice":                {[][]byte{shop[0], shop[1], shop[1], shop[2]}, ErrOrder, 1},
		"leaf changed":                     {[][]byte{bytes.Replace(shop[0], []byte("shop"), []byte("shot"), 1), shop[1], shop[2]}, ErrSignature, 0},
		"intermediate changed":             {[][]byte{shop[0], bytes.Replace(shop[1], []byte("service"), []byte("servicf"), 1), shop[2]}, ErrSignature, 1},
		"leaf expired":                     {leaf(spec{name: "shop", command: info, until: recordedAt.Add(-time.Second)}), ErrExpired, 0},
		"leaf not yet valid":               {leaf(spec{name: "shop", command: info, from: recordedAt.Add(time.Second)}), ErrNotYetValid, 0},
		"intermediate expired":             {below(spec{name: "x", until: recordedAt.Add(-time.Second)}), ErrExpired, 1},
		"intermediate not yet valid":       {below(spec{name: "x", from: recordedAt.Add(time.Second)}), ErrNotYetValid, 1},
		"leaf is a CA":                     {leaf(spec{name: "shop", command: info, profile: caProfile}), ErrUsage, 0},
		"leaf is a server":                 {leaf(spec{name: "shop", command: info, profile: serverProfile}), ErrUsage, 0},
		"leaf without extended key usage":  {leaf(spec{name: "shop", command: info, profile: profile{usage: endUsage}}), ErrUsage, 0},
		"leaf that may not sign":           {leaf(spec{name: "shop", command: info, profile: profile{usage: x509.KeyUsageKeyEncipherment, extended: &oidClientAuth}}), ErrUsage, 0},
		"leaf with a critical extension":   {leaf(spec{name: "shop", command: info, change: extension(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true})}), ErrUsage, 0},
		"CA with a critical extension":     {below(spec{name: "x", change: extension(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true})}), ErrUsage, 1},
		"signed by a leaf":                 {f.web.leaf(t, "shop", info).leaf(t, "shop", info).presented(), ErrUsage, 1},
		"CA that may not sign":             {below(spec{name: "x", change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }}), ErrUsage, 1},
		"CA that may sign leaves only":     {f.web.sign(t, spec{name: "x", profile: caProfile, change: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }}).sign(t, spec{name: "y", profile: caProfile}).leaf(t, "shop", info).presented(), ErrUsage, 0},
		"CA for servers only":              {below(spec{name: "x", change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }}), ErrUsage, 0},
		"leaf without extension":           {leaf(spec{name: "shop"}), ErrNoCommand, 0},
		"leaf of version 4":                {leaf(spec{name: "shop", change: raw("3009 020104 a304 b3020500")}), ErrVersion, 0},
		"leaf of version 6":                {leaf(spec{name: "shop", change: raw("3009 020106 a304 b3020500")}), ErrVersion, 0},
		"leaf of another version's words":  {leaf(spec{name: "shop", change: raw("3007 020106 04020000")}), ErrVersion, 0},
		"delegation of version 4":          {below(spec{name: "x", change: raw("3009 020104 a304 b3020500")}), ErrVersion, 1},
		"leaf with an unknown command":     {leaf(spec{name: "shop", change: raw("3009 020105 a304 be020500")}), ErrExtension, 0},
		"leaf with trailing bytes":         {leaf(spec{name: "shop", change: raw("3009 020105 a304 b3020500 00")}), ErrExtension, 0},
		"leaf with an empty extension":     {leaf(spec{name: "shop", change: raw("")}), ErrExtension, 0},
		"CA with an unknown command":       {below(spec{name: "x", change: raw("3009 020105 a304 be020500")}), ErrExtension, 1},
		"command in a CA":                  {below(spec{name: "x", command: info}), ErrCommandInCA, 1},
		"policy removal in a CA":           {below(spec{name: "x", command: wire.PolicyRemove{}}), ErrCommandInCA, 1},
		"policy larger than its parent's":  {below(spec{name: "x", command: wire.PolicyAdd{Policy: large}}), ErrPolicy, 1},
		"policy larger, one CA in between": {f.web.sign(t, spec{name: "x", profile: caProfile}).sign(t, spec{name: "y", profile: caProfile, command: wire.PolicyAdd{Policy: large}}).leaf(t, "shop", info).presented(), ErrPolicy, 1},
		"delegation whose name is none":    {below(spec{name: "a b", command: wire.PolicyAdd{Policy: small}}), ErrName, 1},
		"delegation named :":               {below(spec{name: ":", command: wire.PolicyAdd{Policy: small}}), ErrName, 1},
		"delegation without a name":        {below(spec{command: wire.PolicyAdd{Policy: small}}), ErrName, 1},
		"leaf whose name is none":          {leaf(spec{name: "../etc", command: info}), ErrName, 0},
		"leaf whose name is a path":        {leaf(spec{name: "a:b", command: info}), ErrName, 0},
		"leaf whose name has a hyphen":     {leaf(spec{name: "-a", command: info}), ErrName, 0},
		"leaf whose name is too long":      {leaf(spec{name: strings.Repeat("a", 64), command: info}), ErrName, 0},
		"leaf with two names":              {leaf(spec{name: "a", command: info, change: twoNames(t)}), ErrName, 0},
		"block command without a name":     {leaf(spec{command: wire.BlockAdd{Size: 1}}), ErrName, 0},
		"content of what has none":         {leaf(spec{name: "shop", command: info, content: &follows}), ErrExtension, 0},
		"content beside an image":          {leaf(spec{name: "shop", command: wire.UnikernelCreate{Image: []byte("ELF")}, content: &follows}), ErrExtension, 0},
		"content beside block data":        {leaf(spec{name: "shop", command: wire.BlockSetOld{Data: []byte("x")}, content: &follows}), ErrExtension, 0},
		"content with a short digest":      {leaf(spec{name: "shop", change: saidContent("3006 040101 020105")}), ErrExtension, 0},
		"content without a size":           {leaf(spec{name: "shop", change: saidContent("3022 0420" + zeros)}), ErrExtension, 0},
		"content of a negative size":       {leaf(spec{name: "shop", change: saidContent("3025 0420" + zeros + "0201ff")}), ErrExtension, 0},
		"content of a size beyond 64 bits": {leaf(spec{name: "shop", change: saidContent("302d 0420" + zeros + "0209010000000000000000")}), ErrExtension, 0},
		"content and something more":       {leaf(spec{name: "shop", change: saidContent("3027 0420" + zeros + "020105 0500")}), ErrExtension, 0},
		"content and something behind":     {leaf(spec{name: "shop", change: saidContent("3025 0420" + zeros + "020105 0500")}), ErrExtension, 0},
		"one use for a delegation":         {below(spec{name: "x", command: wire.PolicyAdd{Policy: small}, once: true}), ErrExtension, 1},
		"one use of nothing":               {leaf(spec{name: "shop", change: extension(pkix.Extension{Id: OIDOnce, Value: unhex(t, "0500")})}), ErrExtension, 0},
		"one use, said strangely":          {leaf(spec{name: "shop", command: info, change: extension(pkix.Extension{Id: OIDOnce, Value: unhex(t, "0101ff")})}), ErrExtension, 0},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := Verify(c.chain, f.root.cert, recordedAt, nil)
			if e := wantRefused(t, err, c.reason); e.Level != c.level {
				t.Errorf("level %d is blamed, want %d", e.Level, c.level)
			}
		})
	}
	t.Run("no root", func(t *testing.T) {
		_, err := Verify(shop, nil, recordedAt, nil)
		wantRefused(t, err, ErrRoot)
	})
	t.Run("root expired", func(t *testing.T) {
		root := (*holder)(nil).sign(t, spec{name: "ca", profile: caProfile, key: f.root.key, until: recordedAt.Add(-time.Second)})
		_, err := Verify(shop, root.cert, recordedAt, nil)
		if e := wantRefused(t, err, ErrExpired); e.Level != 3 {
			t.Errorf("level %d is blamed", e.Level)
		}
	})
	t.Run("root is no CA", func(t *testing.T) {
		root := (*holder)(nil).sign(t, spec{name: "ca", profile: leafProfile, key: f.root.key})
		_, err := Verify(shop, root.cert, recordedAt, nil)
		wantRefused(t, err, ErrUsage)
	})
}

// twoNames gives a template two common names.
func twoNames(t testing.TB) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		der, err := asn1.Marshal(pkix.RDNSequence{{{Type: oidCommonName, Value: "a"}}, {{Type: oidCommonName, Value: "b"}}})
		if err != nil {
			t.Fatal(err)
		}
		c.RawSubject = der
	}
}

// TestLength builds chains of growing length: nine certificates are taken, be the
// root among them or not, ten are not.
func TestLength(t *testing.T) {
	f := newFamily(t)
	at := f.root
	for n := 1; n <= 11; n++ {
		leaf := at.leaf(t, "shop", wire.UnikernelInfo{})
		for _, presented := range [][][]byte{leaf.presented(), append(leaf.presented(), f.root.cert.Raw)} {
			_, err := Verify(presented, f.root.cert, recordedAt, nil)
			switch {
			case len(presented) <= 9 && err != nil:
				t.Errorf("%d certificates: %v", len(presented), err)
			case len(presented) > 9:
				wantRefused(t, err, ErrTooLong)
			}
		}
		at = at.sign(t, spec{name: fmt.Sprintf("n%d", n), profile: caProfile, command: wire.PolicyAdd{Policy: large}})
	}
}

// TestDepth refuses names that are too long for a file, however few the labels.
func TestDepth(t *testing.T) {
	f := newFamily(t)
	long := strings.Repeat("x", 63)
	at := f.root
	for range 3 {
		at = at.sign(t, spec{name: long, profile: caProfile, command: wire.PolicyAdd{Policy: large}})
	}
	_, err := Verify(at.leaf(t, long, wire.UnikernelInfo{}).presented(), f.root.cert, recordedAt, nil)
	wantRefused(t, err, ErrName)
	if _, err := Verify(at.leaf(t, "shop", wire.UnikernelInfo{}).presented(), f.root.cert, recordedAt, nil); err != nil {
		t.Error(err)
	}
	at = at.sign(t, spec{name: long, profile: caProfile, command: wire.PolicyAdd{Policy: large}})
	_, err = Verify(at.leaf(t, "a", wire.UnikernelInfo{}).presented(), f.root.cert, recordedAt, nil)
	wantRefused(t, err, ErrName)
}

// TestLoops refuses a CA that signed itself into the path once more.
func TestLoops(t *testing.T) {
	f := newFamily(t)
	again := f.alice.sign(t, spec{name: "alice", profile: caProfile, key: f.alice.key, command: wire.PolicyAdd{Policy: medium}})
	_, err := Verify(again.leaf(t, "shop", wire.UnikernelInfo{}).presented(), f.root.cert, recordedAt, nil)
	wantRefused(t, err, ErrOrder)
}

// TestSentences checks that hostile names do not get into messages as they are.
func TestSentences(t *testing.T) {
	f := newFamily(t)
	hostile := "a\x1b[31m\nb" + strings.Repeat("c", 1<<16)
	_, err := Verify(f.web.leaf(t, hostile, wire.UnikernelInfo{}).presented(), f.root.cert, recordedAt, nil)
	e := wantRefused(t, err, ErrName)
	if text := e.Error() + e.Subject; strings.ContainsAny(text, "\x1b\n") || len(text) > 2000 {
		t.Errorf("%d bytes: %q", len(text), text)
	}
	var target *Error
	if !errors.As(err, &target) || !strings.HasPrefix(err.Error(), "certificate ") {
		t.Errorf("%v", err)
	}
}
