package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"albatross/internal/api"
)

// Limits of what is recorded, in bytes of UTF-8; the rest is cut off. JSON makes up
// to six bytes of one.
const (
	maxText    = 2 << 10 // of a text
	maxSubject = 64      // of a common name
	maxDigits  = 64      // of serial numbers and fingerprints
	maxWord    = 128     // of anything else
	maxChain   = 16      // certificates of a chain
)

// maxLine is the most bytes of a line without its end.
const maxLine = 64 << 10

// maxSequence is the largest sequence number that is believed.
const maxSequence = 1 << 62

// precision is that of times.
const precision = time.Millisecond

// noHash is what the first record of all follows.
var noHash = strings.Repeat("0", hexDigits)

// The end of a line.
const (
	hexDigits = 2 * sha256.Size
	hashBegin = `,"hash":"`
	hashEnd   = `"}`
	hashSize  = len(hashBegin) + hexDigits + len(hashEnd)
)

// hashOf returns the hash of a record: of the bytes of its line in front of its
// hash, behind those of the hash before.
func hashOf(prev string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(prev))
	h.Write(body)
	h.Write([]byte("}"))
	return hex.EncodeToString(h.Sum(nil))
}

// appendLine appends r to b as a line with its end, and returns its hash.
func appendLine(b []byte, r api.AuditRecord) (_ []byte, hash string, err error) {
	r.Hash = ""
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return b, "", fmt.Errorf("a record cannot be written: %w", err)
	}
	begin := len(b)
	b = appendASCII(b, bytes.TrimSuffix(plain.Bytes(), []byte("}\n")))
	hash = hashOf(r.Prev, b[begin:])
	b = append(b, hashBegin+hash+hashEnd...)
	if n := len(b) - begin; n > maxLine {
		return b[:begin], "", fmt.Errorf("a record has %d bytes, %d are allowed", n, maxLine)
	}
	return append(b, '\n'), hash, nil
}

// appendASCII appends JSON to b with everything escaped that is not printable ASCII:
// no terminal obeys a line, and no reader has to agree on an encoding.
func appendASCII(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r < 0x7f:
			b = append(b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b
}

// bounded returns r as it will be recorded: what is too long is cut, what is no
// UTF-8 replaced, and the time is now unless it has one.
func bounded(r api.AuditRecord) api.AuditRecord {
	r.Text = shorten(r.Text, maxText)
	for _, s := range []*string{&r.Peer, &r.Command, &r.Outcome, &r.Request, &r.Image} {
		*s = shorten(*s, maxWord)
	}
	var links []api.AuditLink
	for _, l := range r.Chain[:min(len(r.Chain), maxChain)] {
		links = append(links, api.AuditLink{
			Subject: shorten(l.Subject, maxSubject), Serial: shorten(l.Serial, maxDigits), Fingerprint: shorten(l.Fingerprint, maxDigits),
		})
	}
	r.Chain = links
	r.Time = r.Time.UTC().Truncate(precision)
	if !writable(r.Time) {
		r.Time = time.Now().UTC().Truncate(precision)
	}
	return r
}

// shorten returns s as UTF-8 of at most so many bytes.
func shorten(s string, most int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= most {
		return s
	}
	const ellipsis = "…"
	end := most - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// writable reports whether t is a time, and one that JSON can have.
func writable(t time.Time) bool { return !t.IsZero() && t.Year() >= 1 && t.Year() <= 9999 }

// errDamaged says that a line is no record.
var errDamaged = errors.New("no record")

// parseLine reads a line without its end, and tells whether it has the hash that it
// says. Members that a later version may have added are covered by the hash, and
// else taken no notice of.
func parseLine(line []byte) (r api.AuditRecord, intact bool, err error) {
	if len(line) > maxLine || len(line) < hashSize {
		return r, false, fmt.Errorf("%w: %d bytes", errDamaged, len(line))
	}
	for _, c := range line {
		if c < ' ' || c > '~' {
			return r, false, fmt.Errorf("%w: there is a byte %#02x", errDamaged, c)
		}
	}
	body, end := line[:len(line)-hashSize], string(line[len(line)-hashSize:])
	hash := end[len(hashBegin) : len(hashBegin)+hexDigits]
	if end != hashBegin+hash+hashEnd || !api.IsSHA256(hash) {
		return r, false, fmt.Errorf("%w: it does not end in a hash", errDamaged)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return api.AuditRecord{}, false, fmt.Errorf("%w: %w", errDamaged, err)
	}
	r.Time, r.Hash = r.Time.UTC(), hash
	switch {
	case r.Sequence < 1 || r.Sequence > maxSequence:
		return api.AuditRecord{}, false, fmt.Errorf("%w: sequence number %d", errDamaged, r.Sequence)
	case !writable(r.Time):
		return api.AuditRecord{}, false, fmt.Errorf("%w: it has no time that can be told", errDamaged)
	case !api.IsSHA256(r.Prev):
		return api.AuditRecord{}, false, fmt.Errorf("%w: it follows no hash", errDamaged)
	}
	return r, hashOf(r.Prev, body) == hash, nil
}
