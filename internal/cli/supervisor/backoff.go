package supervisor

import "time"

// Times of starting again.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	stable     = 10 * time.Second // who ran so long is trusted again
)

// backoff says how long to wait before a daemon is started again.
type backoff struct{ pause time.Duration }

// next returns the pause after a run.
func (b *backoff) next(ran time.Duration) time.Duration {
	switch {
	case b.pause == 0 || ran >= stable:
		b.pause = firstPause
	default:
		b.pause = min(2*b.pause, maxPause)
	}
	return b.pause
}
