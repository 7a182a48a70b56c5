package lines

import (
	"testing"
	"time"
)

// TestBucket spends more than is given.
func TestBucket(t *testing.T) {
	const rate, burst = 1000, 5000
	b := Bucket{Rate: rate, Burst: burst}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if w := b.Wait(now); w != 0 {
		t.Errorf("at first one waits for %v", w)
	}
	b.Pay(burst + rate/2)
	if w := b.Wait(now); w != time.Second/2 {
		t.Errorf("after too much one waits for %v", w)
	}
	if w := b.Wait(now.Add(time.Second / 4)); w != time.Second/4 {
		t.Errorf("a little later one waits for %v", w)
	}
	if w := b.Wait(now.Add(time.Second / 8)); w != time.Second/4 {
		t.Errorf("when the clock was set back one waits for %v", w)
	}
	b.Pay(100 * burst)
	if w := b.Wait(now.Add(time.Second / 4)); w != time.Second {
		t.Errorf("after far too much one waits for %v", w)
	}
	if w := b.Wait(now.Add(time.Hour)); w != 0 || b.spent != 0 {
		t.Errorf("an hour later one waits for %v, with %d bytes spent", w, b.spent)
	}
}
