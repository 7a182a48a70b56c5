package lines

import "time"

// Bucket says whether more may go somewhere: Burst bytes at once, and Rate bytes a
// second beyond that.
type Bucket struct {
	Rate, Burst int

	spent int // bytes, at that time
	at    time.Time
}

// Wait returns how long it takes until more may go.
func (b *Bucket) Wait(now time.Time) time.Duration {
	if b.at.Before(now) { // else the clock was set back
		regained := now.Sub(b.at).Seconds() * float64(b.Rate)
		b.spent = int(max(float64(b.spent)-regained, 0))
		b.at = now
	}
	if b.spent <= b.Burst {
		return 0
	}
	return time.Duration(float64(b.spent-b.Burst) / float64(b.Rate) * float64(time.Second))
}

// Pay notes that bytes went. Who did not wait waits for a second later on, at most.
func (b *Bucket) Pay(n int) { b.spent = min(b.spent+n, b.Burst+b.Rate) }
