// Package audit is the audit log of albatrossd: who asked for what from afar, and
// what came of it. It is append-only, durable before the asker hears of it,
// rotated, and chained by hashes, so that whoever has the files can tell whether
// anything in them was changed, removed, inserted or moved.
//
//	Append ─┐                DIR/00000000000000000001.jsonl   oldest, deleted next
//	Append ─┼─▶ one write,       00000000000000041873.jsonl
//	Append ─┘   one fsync ──▶    00000000000000083220.jsonl   written to
//	   ▲              │
//	   └── returns ◀──┘     Read, Verify read the files; Verify needs no daemon
//
//	log.go       Log: many appends become one write
//	write.go     the write: segments, rotation, what a failed one leaves behind
//	resume.go    opening what an earlier daemon wrote
//	segment.go   the files and their lines
//	line.go      a record as a line, and back; its hash
//	read.go      Read
//	verify.go    Verify: going through the chain; fault.go says what is wrong with it
//	words.go     words for commands, links for certificates
//
// # A line
//
// A segment is a sequence of lines, each a record as a JSON object
// ([api.AuditRecord]) of printable ASCII (0x20 to 0x7e; everything else is \u00e9
// or \ud83d\ude00), without blanks, ended by one line feed:
//
//	{"sequence":7,"time":"2026-01-02T03:04:05.678Z",…,"prev":"<64 digits>","hash":"<64 digits>"}
//	└───────────────────────── body ────────────────────────────────────┘
//
// The last member is hash, the one before it prev. With body as the bytes of the
// line up to and without the comma before "hash":
//
//	hash = SHA-256( prev ++ body ++ "}" )
//
// where prev is the 64 lower-case hexadecimal digits that the member prev has, as
// bytes, and the result is written likewise. So what is hashed is the hash of the
// record before, followed by the line as it would be without its hash. The record
// with the sequence number 1 has 64 zeros as prev, every other one the hash of the
// record whose number is one less. A shell can follow that:
//
//	prev=$(head -n 1 "$1" | sed 's/.*"prev":"\([0-9a-f]*\)".*/\1/')
//	cat "$@" | while IFS= read -r line; do
//		body=${line%,\"hash\":*}
//		hash=${line##*,\"hash\":\"}
//		hash=${hash%\"\}}
//		sum=$(printf '%s%s}' "$prev" "$body" | sha256sum | cut -c 1-64)
//		[ "$sum" = "$hash" ] || printf 'broken: %s\n' "$line"
//		prev=$hash
//	done
//
// # Segments and rotation
//
// A segment is named after the sequence number of its first record. That record has
// the last hash of the segment before as prev, as any other, and a member oldest:
// the number of the oldest record that rotation keeps from then on. It is durable
// before anything is deleted. So a log whose first records were rotated away can be
// verified from where it begins, and one from which somebody deleted more than that
// is found.
//
// # What it can and cannot tell
//
// Whoever may write the files can also compute hashes: they can cut off the end, or
// write anew everything from some record on. What tells is an anchor, the number and
// hash of a record that somebody keeps where they cannot reach it: every change
// before the anchor changes its hash. A Log knows itself what it has written last.
//
// What the files contain is not trusted. A last line without its end, as a loss of
// power leaves it, was never acknowledged: Open cuts it off, and appends a record
// with the outcome repaired that says so. Whole lines that are no records stay, as
// evidence.
//
// A record that cannot be written is an error of Append, and leaves nothing behind:
// its number is given to the next one. The caller must not act, or not answer, as if
// it were recorded.
//
// The packages vmmd and cli import this one; it imports api, vm and wire.
package audit
