package endpoint

import (
	"fmt"
	"time"

	"albatross/internal/pki"
)

// Limits bound what clients may cost.
type Limits struct {
	Handshakes       int           // in flight at a time; a further one ends the oldest
	HandshakeTimeout time.Duration // of a handshake, and of telling a refusal
	FreeBytes        int64         // that each connection may send before it is let in
	LargeBytes       int64         // that all connections together may send beyond that; the oldest ends for the newest
	LargeTime        time.Duration // how long a connection may last that takes some of LargeBytes
	Clients          int           // connections that were let in at a time; the last quarter is for who has few
	PerDelegation    int           // of them, under each key that the root signed for
	PerLeaf          int           // of them, with the same leaf
	StallTimeout     time.Duration // how long a client may take to receive 32 KiB
	Grace            time.Duration // how long clients may go on to receive when the endpoint ends
}

// DefaultLimits returns limits for a host with some hundred clients. LargeBytes are
// three images of the largest size in leafs at a time, for which the process takes
// about four times as much memory: crypto/tls copies what it reads.
func DefaultLimits() Limits {
	return Limits{
		Handshakes:       1024,
		HandshakeTimeout: 10 * time.Second,
		FreeBytes:        64 << 10,
		LargeBytes:       3 * pki.MaxCertificate,
		LargeTime:        10 * time.Minute,
		Clients:          1024,
		PerDelegation:    256,
		PerLeaf:          64,
		StallTimeout:     time.Minute,
		Grace:            5 * time.Second,
	}
}

// Check refuses limits under which nobody would be served.
func (l Limits) Check() error {
	for _, limit := range []struct {
		of string
		n  int64
	}{
		{"handshakes at a time", int64(l.Handshakes)},
		{"time for a handshake", int64(l.HandshakeTimeout)},
		{"connections at a time", int64(l.Clients)},
		{"connections of a delegation", int64(l.PerDelegation)},
		{"connections of a certificate", int64(l.PerLeaf)},
		{"time to receive", int64(l.StallTimeout)},
	} {
		if limit.n < 1 {
			return fmt.Errorf("the limit of %s is %d, and must be more than 0", limit.of, limit.n)
		}
	}
	if l.LargeBytes < 0 {
		return fmt.Errorf("the limit of large certificates is %d bytes, and must not be negative", l.LargeBytes)
	}
	return nil
}

// Within returns the limits as far as a process can keep them that may have so many
// descriptors, and whether that is less: a handshake takes one, a client two.
func (l Limits) Within(descriptors uint64) (_ Limits, less bool) {
	const others = 32 // files, listeners, the runtime's own
	if uint64(l.Handshakes)+2*uint64(l.Clients)+others <= descriptors {
		return l, false
	}
	room := max(int(descriptors)-others, 4)
	l.Handshakes = min(l.Handshakes, room/4)
	l.Clients = min(l.Clients, (room-l.Handshakes)/2)
	l.PerDelegation = min(l.PerDelegation, max(1, l.Clients/4))
	return l, true
}
