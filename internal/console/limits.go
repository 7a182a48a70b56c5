package console

// Limits of what consoles and subscribers may take. The first three are
// Albatross's.
type Limits struct {
	Lines       int // that a console keeps
	LineBytes   int // of a line; what is longer is cut and marked
	Subscribers int // of a console; one more ends the oldest
	RingBytes   int // of memory that the lines of a console take
	QueueBytes  int // of memory that a subscriber's lines take while they wait; it may be twice that while they are sent
	Inactive    int // consoles that are kept without a unikernel, whatever their paths' policies allow
}

// DefaultLimits are the limits unless a flag says otherwise.
func DefaultLimits() Limits {
	return Limits{
		Lines:       1024,
		LineBytes:   512,
		Subscribers: 5,
		RingBytes:   64 << 10,
		QueueBytes:  128 << 10,
		Inactive:    1024,
	}
}
