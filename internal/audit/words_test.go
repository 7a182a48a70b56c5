package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"testing"

	"albatross/internal/api"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func certificate(t *testing.T, cn string, serial int64) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: cn}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	return der
}

func TestLinks(t *testing.T) {
	chain := [][]byte{certificate(t, "shop\x1b[2J", 0xabc), []byte("no certificate"), nil, certificate(t, "alice", 255)}
	print := func(i int) string { return fmt.Sprintf("%x", sha256.Sum256(chain[i])) }
	want := []api.AuditLink{
		{Subject: "shop?[2J", Serial: "0abc", Fingerprint: print(0)},
		{Fingerprint: print(1)},
		{Fingerprint: print(2)},
		{Subject: "alice", Serial: "ff", Fingerprint: print(3)},
	}
	if diff := cmp.Diff(want, Links(chain)); diff != "" {
		t.Error(diff)
	}
	if n := len(Links(make([][]byte, 1000))); n != maxChain {
		t.Errorf("%d links of a long chain", n)
	}
	if got := Links(nil); got != nil {
		t.Errorf("links of nothing: %v", got)
	}
	if got := serialText(new(big.Int)); got != "00" {
		t.Errorf("serial number 0 is %q", got)
	}
}

func TestWord(t *testing.T) {
	for want, commands := range map[string][]wire.Command{
		"create":        {wire.UnikernelCreate{}},
		"force-create":  {wire.UnikernelCreate{Force: true}},
		"destroy":       {wire.UnikernelDestroy{}},
		"restart":       {wire.UnikernelRestart{}},
		"info":          {wire.UnikernelInfo{}},
		"get":           {wire.UnikernelGet{}},
		"policy info":   {wire.PolicyInfo{}},
		"policy add":    {wire.PolicyAdd{}},
		"policy remove": {wire.PolicyRemove{}},
		"console":       {wire.ConsoleSubscribe{}},
		"console list":  {wire.ConsoleListInactive{}},
		"stats":         {wire.StatsSubscribe{}},
		"block info":    {wire.BlockInfo{}},
		"block add":     {wire.BlockAdd{}, wire.BlockAddOld{}},
		"block remove":  {wire.BlockRemove{}},
		"block set":     {wire.BlockSet{}, wire.BlockSetOld{}},
		"block dump":    {wire.BlockDump{}},
		"crl-add":       {wire.Private{Verb: "crl-add"}},
		"other":         {wire.StatsInitial{}},
		"":              {nil},
	} {
		for _, c := range commands {
			if got := Word(c); got != want {
				t.Errorf("Word(%T) = %q, want %q", c, got, want)
			}
		}
	}
}
