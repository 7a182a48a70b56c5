package pki

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"albatross/internal/wire"
)

// TestDescribeRecorded tells in words what Albatross signed.
func TestDescribeRecorded(t *testing.T) {
	for file, want := range map[string][3]string{
		"cacert.pem": {`root CA "ca", signed by "ca"`, "valid until 2036-11-20 14:14:30 UTC, for 3649 days", "allows everything on hosts that know it as their root CA"},
		"alice.pem":  {`delegation "alice", signed by "ca"`, "valid until 2027-11-23 14:14:30 UTC, for 364 days", "allows to act and to delegate below alice with 16 unikernels, CPUs 0, 1, 1024 MB memory, 40 MB block storage, bridges service"},
		"server.pem": {`server "server", signed by "ca"`, "valid until 2027-11-23 14:14:30 UTC, for 364 days", "is the server of every host whose clients know its CA"},
		"shop.pem":   {`command "shop", signed by "web"`, "valid until 2026-11-24 14:14:51 UTC, for 23h14m51s", "allows to list unikernels"},
		"disk1.pem":  {`command "disk1", signed by "web"`, "valid until 2026-11-24 14:14:51 UTC, for 23h14m51s", "allows to create a block device of 16 MB"},
		"shopc.pem":  {`command "shopc", signed by "web"`, "valid until 2026-11-24 14:14:51 UTC, for 23h14m51s", "allows to read the console, with the last 20 lines"},
		"rs.pem":     {`command "rs", signed by "web"`, "valid until 2026-11-24 14:14:51 UTC, for 23h14m51s", "allows to restart the unikernel"},
	} {
		c := recorded(t, file)[0]
		lines := Describe(c).Lines(recordedAt)
		if d := diff(want[:], lines[:3]); d != "" {
			t.Errorf("%s (- want, + said)\n%s", file, d)
		}
		rest := strings.Join(lines[3:], "\n")
		if !strings.Contains(rest, "key ed25519, serial "+serialText(c.SerialNumber)) || !strings.Contains(rest, Fingerprint(c).String()) || strings.Contains(rest, "no host") {
			t.Errorf("%s: %s", file, rest)
		}
	}
}

func TestDescribe(t *testing.T) {
	f := newFamily(t)
	follows := Content{Digest{1}, 5}
	for what, c := range map[string]struct {
		cert *x509.Certificate
		kind Kind
		want string // a part of the lines
	}{
		"create":       {f.web.sign(t, spec{name: "x", profile: leafProfile, command: wire.UnikernelCreate{Config: config()}, content: &follows}).cert, KindCommand, "with the image of 5 bytes, SHA-256 01000000"},
		"block set":    {f.web.sign(t, spec{name: "x", profile: leafProfile, command: wire.BlockSet{}, content: &follows, once: true}).cert, KindCommand, "with the content of 5 bytes, SHA-256 0100000000000000000000000000000000000000000000000000000000000000\nobeyed once\n"},
		"create, full": {f.web.leaf(t, "x", wire.UnikernelCreate{Config: config(), Force: true, Image: []byte("ELF")}).cert, KindCommand, "create or replace the unikernel: 32 MB memory, CPUs 0, bridges service, image of 3 bytes within"},
		"hosts":        {f.root.sign(t, spec{name: "server", profile: serverProfile, change: func(c *x509.Certificate) { c.DNSNames = []string{"a.example", "b.example"} }}).cert, KindServer, "is the server a.example, b.example"},
		"forbidden":    {f.web.leaf(t, "x", wire.StatsRemove{}).cert, KindCommand, "but no host accepts it: command is not allowed from afar"},
		"CA":           {f.web.sign(t, spec{name: "x", profile: caProfile}).cert, KindCA, "under their path"},
		"command CA":   {f.web.sign(t, spec{name: "x", profile: caProfile, command: wire.UnikernelInfo{}}).cert, KindCA, "but no host accepts it: certificate of a CA carries a command"},
		"nameless CA":  {f.web.sign(t, spec{name: "a b", profile: caProfile, command: wire.PolicyAdd{Policy: small}}).cert, KindDelegation, "but no host accepts it: label"},
		"nothing":      {f.web.sign(t, spec{name: "x", profile: leafProfile}).cert, KindOther, "allows nothing here"},
		"version 4":    {f.web.sign(t, spec{name: "x", profile: leafProfile, change: extension(raw(t, "3009 020104 a304 b3020500")[0])}).cert, KindOther, "but no host accepts it: certificate speaks another version"},
		"hostile":      {f.web.leaf(t, "a\nb", wire.UnikernelInfo{}).cert, KindCommand, `command "a?b"`},
	} {
		d := Describe(c.cert)
		text := strings.Join(d.Lines(recordedAt), "\n")
		if d.Kind != c.kind || !strings.Contains(text, c.want) {
			t.Errorf("%s: %s, want %q:\n%s", what, d.Kind, c.want, text)
		}
	}
	d := Describe(f.web.cert)
	for at, want := range map[time.Time]string{recordedAt.Add(-Day): "not yet valid: from 2026-11-23 14:00:00 UTC until 2026-11-24 15:00:00 UTC", recordedAt.Add(2 * Day): "expired at 2026-11-24 15:00:00 UTC"} {
		if got := d.Lines(at)[1]; got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
}

// TestIssued writes and reads the list of what was signed.
func TestIssued(t *testing.T) {
	var file string
	var want []Issued
	for _, n := range []string{"alice.pem", "server.pem", "shop.pem"} {
		c := recorded(t, n)[0]
		file += IssuedLine(c)
		want = append(want, Issued{Serial: serialText(c.SerialNumber), Name: c.Subject.CommonName})
	}
	got, err := ParseIssued([]byte(file + "\n00d2b5 with a zero\n"))
	want = append(want, Issued{Serial: "d2b5", Name: "with a zero"})
	if d := diff(want, got); err != nil || d != "" {
		t.Errorf("%v (- written, + read)\n%s", err, d)
	}
	if _, err := ParseIssued([]byte("01 a\nxyz b\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}
