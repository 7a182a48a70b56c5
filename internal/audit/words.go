package audit

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"strings"

	"albatross/internal/api"
	"albatross/internal/wire"
)

// Links returns what is recorded of the certificates that somebody presented, in DER
// and in the same order, whether they are worth anything or not. What is not
// printable in a common name is replaced.
func Links(chain [][]byte) []api.AuditLink {
	var links []api.AuditLink
	for _, der := range chain[:min(len(chain), maxChain)] {
		sum := sha256.Sum256(der)
		l := api.AuditLink{Fingerprint: hex.EncodeToString(sum[:])}
		if c, err := x509.ParseCertificate(der); err == nil {
			l.Subject, l.Serial = printable(c.Subject.CommonName), serialText(c.SerialNumber)
		}
		links = append(links, l)
	}
	return links
}

// printable replaces what a line of JSON would need six bytes for, so that nobody
// fills the log by a name.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// serialText returns a serial number as two hexadecimal digits a byte.
func serialText(n *big.Int) string {
	if n == nil || n.Sign() == 0 {
		return "00"
	}
	return hex.EncodeToString(n.Bytes())
}

// Word returns the word by which a command is recorded.
func Word(c wire.Command) string {
	switch c := c.(type) {
	case wire.UnikernelCreate:
		if c.Force {
			return "force-create"
		}
		return "create"
	case wire.UnikernelDestroy:
		return "destroy"
	case wire.UnikernelRestart:
		return "restart"
	case wire.UnikernelInfo:
		return "info"
	case wire.UnikernelGet:
		return "get"
	case wire.PolicyInfo:
		return "policy info"
	case wire.PolicyAdd:
		return "policy add"
	case wire.PolicyRemove:
		return "policy remove"
	case wire.ConsoleSubscribe:
		return "console"
	case wire.ConsoleListInactive:
		return "console list"
	case wire.StatsSubscribe:
		return "stats"
	case wire.Private:
		return c.Verb
	case wire.BlockInfo, wire.BlockAdd, wire.BlockAddOld, wire.BlockRemove, wire.BlockSet, wire.BlockSetOld, wire.BlockDump:
		return blockWord(c)
	case nil:
		return ""
	}
	return "other"
}

func blockWord(c wire.Command) string {
	switch c.(type) {
	case wire.BlockInfo:
		return "block info"
	case wire.BlockAdd, wire.BlockAddOld:
		return "block add"
	case wire.BlockRemove:
		return "block remove"
	case wire.BlockDump:
		return "block dump"
	}
	return "block set"
}
