package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"time"
	"unicode"
)

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// commonNames returns the common names of a subject. Which of several counts is
// answered differently by different implementations, so nobody may have several.
func commonNames(n pkix.Name) []string {
	var names []string
	for _, a := range n.Names {
		if a.Type.Equal(oidCommonName) {
			s, _ := a.Value.(string)
			names = append(names, s)
		}
	}
	return names
}

// subjectText returns the common name of c for messages, or its whole subject where
// it has not exactly one.
func subjectText(c *x509.Certificate) string { return nameText(c.Subject) }

func nameText(n pkix.Name) string {
	if names := commonNames(n); len(names) == 1 {
		return printable(names[0])
	}
	return printable(n.String())
}

// printable keeps hostile names from spoiling logs and terminals.
func printable(s string) string {
	const most = 200
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
	if runes := []rune(clean); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return clean
}

// serialText returns a serial number as two hexadecimal digits a byte.
func serialText(n *big.Int) string {
	if n == nil || n.Sign() == 0 {
		return "00"
	}
	return hex.EncodeToString(n.Bytes())
}

// timeText returns a time for sentences.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
