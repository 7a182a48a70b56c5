package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Kind is what a certificate is for.
type Kind string

// The kinds of certificates.
const (
	KindRoot       Kind = "root CA"
	KindDelegation Kind = "delegation" // a CA with a policy
	KindCA         Kind = "CA"         // one without
	KindCommand    Kind = "command"
	KindServer     Kind = "server"
	KindOther      Kind = "other"
)

// Description is what a certificate says. Texts in it are printable.
type Description struct {
	Kind        Kind
	Subject     string
	Issuer      string
	Serial      string // hexadecimal
	Fingerprint Digest
	Key         KeyType
	From, Until time.Time    // UTC
	Policy      *vm.Policy   // of a delegation
	Command     wire.Command // of a command
	Content     *Content     // what follows the command, where that is signed
	Once        bool         // a host obeys it once
	Hosts       []string     // of a server
	Problem     string       // why no host will accept it, as far as it tells by itself; may be empty
}

// Describe reads one certificate. Nothing is checked that needs another one.
func Describe(c *x509.Certificate) Description {
	d := Description{
		Kind: KindOther, Subject: subjectText(c), Issuer: nameText(c.Issuer), Serial: serialText(c.SerialNumber),
		Fingerprint: Fingerprint(c), Key: TypeOf(c.PublicKey), From: c.NotBefore.UTC(), Until: c.NotAfter.UTC(),
	}
	said, err := statementOf(c.Extensions)
	if err != nil {
		d.Problem = printable(err.Error())
	}
	switch {
	case isCA(c):
		d.ofCA(c, said.command)
	case said.command != nil:
		d.Kind, d.Command, d.Content, d.Once = KindCommand, said.command, said.content, said.once
		if err := Allowed(said.command); err != nil {
			d.Problem = err.Error()
		}
	case slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth):
		d.Kind = KindServer
		for _, name := range c.DNSNames {
			d.Hosts = append(d.Hosts, printable(name))
		}
		for _, a := range c.IPAddresses {
			d.Hosts = append(d.Hosts, a.String())
		}
	}
	return d
}

func (d *Description) ofCA(c *x509.Certificate, command wire.Command) {
	switch add, isPolicy := command.(wire.PolicyAdd); {
	case isPolicy:
		d.Kind, d.Policy = KindDelegation, &add.Policy
		if _, err := labelOf(c); err != nil {
			d.Problem = err.Error()
		}
	case command != nil:
		d.Kind, d.Command, d.Problem = KindCA, command, ErrCommandInCA.Error()
	case selfSigned(c):
		d.Kind = KindRoot
	default:
		d.Kind = KindCA
	}
}

// Lines returns the description as lines of text: whose authority, until when, what
// it allows.
func (d Description) Lines(now time.Time) []string {
	lines := []string{
		fmt.Sprintf("%s %q, signed by %q", d.Kind, d.Subject, d.Issuer),
		d.validity(now),
		d.allows(),
	}
	if d.Content != nil {
		lines = append(lines, fmt.Sprintf("with %s of %d bytes, SHA-256 %v", contentWord(d.Command), d.Content.Size, d.Content.Digest))
	}
	if d.Once {
		lines = append(lines, "obeyed once")
	}
	if d.Problem != "" {
		lines = append(lines, "but no host accepts it: "+d.Problem)
	}
	return append(lines,
		fmt.Sprintf("key %s, serial %s", d.keyText(), d.Serial),
		"fingerprint "+d.Fingerprint.String(),
	)
}

func (d Description) keyText() string {
	if d.Key == "" {
		return "of a kind that is unknown here"
	}
	return string(d.Key)
}

func (d Description) validity(now time.Time) string {
	switch {
	case now.Before(d.From):
		return fmt.Sprintf("not yet valid: from %s until %s", timeText(d.From), timeText(d.Until))
	case now.After(d.Until):
		return "expired at " + timeText(d.Until)
	case d.Until.Sub(now) < 2*Day:
		return fmt.Sprintf("valid until %s, for %s", timeText(d.Until), d.Until.Sub(now).Round(time.Second))
	}
	return fmt.Sprintf("valid until %s, for %d days", timeText(d.Until), d.Until.Sub(now)/Day)
}

func (d Description) allows() string {
	switch d.Kind {
	case KindRoot:
		return "allows everything on hosts that know it as their root CA"
	case KindDelegation:
		return fmt.Sprintf("allows to act and to delegate below %s with %s", strings.ToLower(d.Subject), PolicyWords(*d.Policy))
	case KindCA:
		return "allows what the CAs above it allow, under their path"
	case KindCommand:
		return "allows to " + Words(d.Command)
	case KindServer:
		if len(d.Hosts) == 0 {
			return "is the server of every host whose clients know its CA"
		}
		return "is the server " + strings.Join(d.Hosts, ", ")
	}
	return "allows nothing here"
}
