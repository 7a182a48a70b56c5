package console

import "time"

// Limits of what consoles and subscribers may take in memory. Lines is Albatross's.
type Limits struct {
	Lines       int // that a console keeps
	LineBytes   int // of a line; what is longer is cut and marked
	Subscribers int // of a console; one more ends the oldest
	RingBytes   int // that the lines of a console take
	TailBytes   int // that they take, however many, while there are subscribers and no log, so that these may be a little late
	Inactive    int // consoles that are kept without a unikernel, whatever their paths' policies allow
	Groups      int // clients that read many consoles at once; one more is refused
	Clients     int // clients that read at all, likewise, so that albatrossd is always heard

	Patience time.Duration // how long a client may take nothing of what it is sent, until its connection ends

	// How much a subscriber gets: as many bytes as it can take at first, from disk if it
	// is late, so that it misses nothing of what is written now and then; but only so
	// many a second of a flood, which nobody can read, and which would take processors
	// away from unikernels. A line counts for leastCost bytes at least.
	Burst, Rate int
}

// leastCost is what a short line counts for, as it takes as long as others: a unikernel
// can write millions of empty ones a second.
const leastCost = 32

// Bounds of LineBytes: a ring holds several of the longest lines.
const (
	MinLineBytes = 64
	MaxLineBytes = 16 << 10
)

// DefaultLimits are the limits unless a flag says otherwise.
func DefaultLimits() Limits {
	return Limits{
		Lines:       1024,
		LineBytes:   4096,
		Subscribers: 5,
		RingBytes:   64 << 10,
		TailBytes:   256 << 10,
		Inactive:    1024,
		Groups:      4,
		Clients:     512,
		Patience:    time.Hour, // somebody may look at a page of it for long
		Burst:       4 << 20,
		Rate:        256 << 10,
	}
}
