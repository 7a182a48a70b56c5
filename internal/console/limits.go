package console

// Limits of what consoles and subscribers may take in memory. Lines is Albatross's.
type Limits struct {
	Lines       int // that a console keeps
	LineBytes   int // of a line; what is longer is cut and marked
	Subscribers int // of a console; one more ends the oldest
	RingBytes   int // that the lines of a console take
	TailBytes   int // that they take, however many, while there are subscribers, so that these may be a little late
	Inactive    int // consoles that are kept without a unikernel, whatever their paths' policies allow
	Groups      int // clients that read many consoles at once; one more is refused
}

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
	}
}

// How fast a subscriber gets lines: as many as it can take at first, from disk if it
// is late, so that it misses nothing of what is written now and then; but only so
// many bytes a second of a flood, which nobody can read, and which would take
// processors away from unikernels.
const (
	streamBurst = 4 << 20
	streamRate  = 512 << 10
)
