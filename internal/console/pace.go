package console

import (
	"context"
	"errors"
	"time"

	"albatross/internal/console/lines"
)

// errGivesWay is why a subscriber ends whose place another one took.
var errGivesWay = errors.New("it gives way to another one")

// pace is how fast a client gets lines.
type pace struct{ bucket lines.Bucket }

func newPace() *pace { return &pace{lines.Bucket{Rate: streamRate, Burst: streamBurst}} }

// keep notes that the client got so many bytes, and waits until it may have more.
// It reports whether that took time.
func (p *pace) keep(ctx context.Context, bytes int, ended <-chan struct{}) (late bool, err error) {
	p.bucket.Pay(bytes)
	pause := p.bucket.Wait(time.Now())
	if pause == 0 {
		return false, nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	return true, await(ctx, timer.C, ended)
}

// await waits for an element of c. Its error is errGivesWay if ended is closed
// before, or the cause of ctx.
func await[T any](ctx context.Context, c <-chan T, ended <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ended:
		return errGivesWay
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
