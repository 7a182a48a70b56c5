package wire

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"albatross/internal/vm"
)

// extensions returns the values of Albatross's extension in the certificates of
// a file.
func extensions(t testing.TB, file string) [][]byte {
	t.Helper()
	rest, err := os.ReadFile("testdata/chains/" + file)
	if err != nil {
		t.Fatal(err)
	}
	oid := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 49836, 42}
	var values [][]byte
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return values
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range cert.Extensions {
			if e.Id.Equal(oid) {
				values = append(values, e.Value)
			}
		}
	}
}

// TestRecordedExtensions reads the certificates that Albatross 2.7.2 signed: the
// leaf, then web and alice.
func TestRecordedExtensions(t *testing.T) {
	alice := PolicyAdd{Policy: vm.Policy{
		Unikernels: 16, CPUs: vm.MakeSet(0, 1), Memory: 1024, Block: ptr(40), Bridges: vm.MakeSet("service"),
	}}
	web := PolicyAdd{Policy: vm.Policy{Unikernels: 4, CPUs: vm.MakeSet(0), Memory: 256, Bridges: vm.MakeSet("service")}}
	for file, want := range map[string][]Command{
		"alice.pem":  {alice},
		"server.pem": nil,
		"shop.pem":   {UnikernelInfo{}, web, alice},
		"gone.pem":   {UnikernelDestroy{}, web, alice},
		"disk1.pem":  {BlockAdd{Size: 16}, web, alice},
		"shopc.pem":  {ConsoleSubscribe{Count: 20}, web, alice},
		"rs.pem":     {UnikernelRestart{}, web, alice},
		"bi.pem":     {BlockInfo{}, web, alice},
	} {
		var got []Command
		for _, value := range extensions(t, file) {
			c, err := ParseExtension(value)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			got = append(got, c)
			if back, err := AppendExtension([]byte("x"), c); err != nil || !bytes.Equal(back[1:], value) {
				t.Errorf("%s: read %x, written %x, %v", file, value, back, err)
			}
		}
		if d := diff(want, got); d != "" {
			t.Errorf("%s: (- signed, + read)\n%s", file, d)
		}
	}
}

func TestExtensionRefused(t *testing.T) {
	for what, der := range map[string]string{
		"version 4":       "3009 020104 a304 a3020500",
		"trailing":        "3009 020105 a304 a3020500 00",
		"another element": "300b 020105 a304 a3020500 0500",
		"no command":      "3003 020105",
		"nothing":         "",
	} {
		if c, err := ParseExtension(unhex(t, der)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: read as %+v, %v", what, c, err)
		}
	}
	if c, err := ParseExtension(unhex(t, "3009 020105 a304 a3020500")); err != nil || c != (UnikernelDestroy{}) {
		t.Errorf("the same unspoiled: %+v, %v", c, err)
	}
	if _, err := AppendExtension(nil, nil); !errors.Is(err, ErrNotRepresentable) {
		t.Errorf("no command is written: %v", err)
	}
}
