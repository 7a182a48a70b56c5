package pki

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
)

// Issued is one line of the list of what a CA signed, Albatross's DB file: the serial
// number, a blank, the common name.
type Issued struct {
	Serial string // hexadecimal, two digits a byte
	Name   string
}

// IssuedLine returns the line of a certificate, with its newline.
func IssuedLine(c *x509.Certificate) string {
	return fmt.Sprintf("%s %s\n", serialText(c.SerialNumber), subjectText(c))
}

// ParseIssued reads the list. The error says which line is wrong.
func ParseIssued(file []byte) ([]Issued, error) {
	var all []Issued
	lines := bufio.NewScanner(bytes.NewReader(file))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		serial, name, _ := strings.Cut(line, " ")
		number, err := ParseSerial(serial)
		if err != nil {
			return nil, fmt.Errorf("line %d of the list of issued certificates: %w", n, err)
		}
		all = append(all, Issued{Serial: serialText(number), Name: name})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list of issued certificates: %w", err)
	}
	return all, nil
}
