package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"albatross/internal/vm"
)

// AuditRecord is one command from afar, as the audit log keeps it: who asked for
// what, and what came of it. It is also what the log says of itself. In JSON, hash
// is the last member.
type AuditRecord struct {
	Sequence int64       `json:"sequence"`          // 1, 2, … since the log began
	Time     time.Time   `json:"time,omitzero"`     // UTC, to the millisecond
	Peer     string      `json:"peer,omitempty"`    // address and port, as the endpoint tells them
	Chain    []AuditLink `json:"chain,omitempty"`   // that was presented, leaf first
	Name     *vm.Name    `json:"name,omitempty"`    // that the chain gave; nil: it was refused before
	Command  string      `json:"command,omitempty"` // a word or two: "create", "block set", "policy add"
	Outcome  string      `json:"outcome"`           // one of the Audit… constants
	Text     string      `json:"text,omitempty"`    // why it was refused or failed, a sentence
	Request  string      `json:"request,omitempty"` // what the client calls its request
	Image    string      `json:"image,omitempty"`   // SHA-256 of the image it is about, hexadecimal
	Oldest   int64       `json:"oldest,omitempty"`  // in the first record of a segment: number of the oldest record that rotation keeps
	Prev     string      `json:"prev,omitempty"`    // hash of the record before, hexadecimal
	Hash     string      `json:"hash,omitempty"`    // of this record, see package audit
}

// Outcomes of commands, and what the log says of itself.
const (
	AuditDone     = "done"
	AuditRefused  = "refused"  // not authorised, or the daemon did not want to
	AuditFailed   = "failed"   // authorised and tried, but it went wrong
	AuditBegun    = "begun"    // about to be done; written before anything is, another record says what came of it, but for streams
	AuditRepaired = "repaired" // the log itself: what was wrong with it when it was opened
	AuditDamaged  = "damaged"  // never written: stands for a line that is no record
)

// AuditLink is one certificate of a chain.
type AuditLink struct {
	Subject     string `json:"subject"`     // its common name; where it cannot be read, nothing
	Serial      string `json:"serial"`      // hexadecimal; likewise
	Fingerprint string `json:"fingerprint"` // SHA-256 of its DER, hexadecimal
}

// AuditWanted says which records are wanted: of the name or path of the message,
// those since a time, or else the last Count. With Verify none are, but an
// AuditReport.
type AuditWanted struct {
	Since   *time.Time `json:"since,omitempty"`   // UTC
	Count   int        `json:"count,omitempty"`   // 0: all that are kept
	Subject string     `json:"subject,omitempty"` // only where a certificate of the chain has this common name; empty: all
	Verify  bool       `json:"verify,omitempty"`
	Anchor  string     `json:"anchor,omitempty"` // with Verify, to compare: an AuditAnchor
}

// AuditReport tells whether an audit log is whole.
type AuditReport struct {
	Records  int64        `json:"records"` // that were read
	Segments int          `json:"segments"`
	Bytes    int64        `json:"bytes"`
	First    int64        `json:"first,omitempty"` // sequence number of the oldest record; above 1: those before it were rotated away
	Since    time.Time    `json:"since,omitzero"`  // when that was written, UTC
	Last     int64        `json:"last,omitempty"`
	Until    time.Time    `json:"until,omitzero"`
	LastHash string       `json:"last_hash,omitempty"` // with Last the anchor to keep elsewhere
	Torn     int64        `json:"torn,omitempty"`      // bytes behind the last whole line: of a record that was not acknowledged, or was cut
	Faults   []AuditFault `json:"faults,omitempty"`    // the first ones; none: the log is whole
	More     int          `json:"more,omitempty"`      // faults that are not among them
}

// Anchor returns what to keep elsewhere, so that an end that was cut off or
// rewritten is found.
func (r AuditReport) Anchor() AuditAnchor { return AuditAnchor{r.Last, r.LastHash} }

// AuditFault is a place where the chain of records is broken.
type AuditFault struct {
	Sequence int64  `json:"sequence"`       // of the record
	File     string `json:"file,omitempty"` // the segment where that shows
	Line     int64  `json:"line,omitempty"` // in it, from 1
	Kind     string `json:"kind"`           // one of the Fault… constants
	Text     string `json:"text"`           // what is wrong, a sentence
}

// Kinds of faults.
const (
	FaultChanged   = "changed"   // what a record says does not have its hash
	FaultDamaged   = "damaged"   // a line is no record
	FaultMissing   = "missing"   // records are not where they should be
	FaultInserted  = "inserted"  // there is more than was written
	FaultMisplaced = "misplaced" // a record stands behind later ones
	FaultReplaced  = "replaced"  // a record was written behind another one than that in front of it
	FaultAnchor    = "anchor"    // the log is not the one of the anchor, or it cannot be told
)

// AuditAnchor is a record of the past that a log must still have, or follow.
type AuditAnchor struct {
	Sequence int64
	Hash     string // 64 hexadecimal digits
}

// ParseAuditAnchor reads the form of String.
func ParseAuditAnchor(s string) (AuditAnchor, error) {
	number, hash, ok := strings.Cut(s, ":")
	sequence, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || sequence < 1 {
		return AuditAnchor{}, fmt.Errorf("%q is no anchor: it is the number of a record, a colon and its hash", s)
	}
	hash = strings.ToLower(hash)
	if !IsSHA256(hash) {
		return AuditAnchor{}, fmt.Errorf("%q is no anchor: behind the colon come the 64 hexadecimal digits of a hash", s)
	}
	return AuditAnchor{sequence, hash}, nil
}

// String returns the form 4711:0123…ef.
func (a AuditAnchor) String() string { return fmt.Sprintf("%d:%s", a.Sequence, a.Hash) }

// IsSHA256 reports whether s is 64 hexadecimal digits in lower case.
func IsSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
