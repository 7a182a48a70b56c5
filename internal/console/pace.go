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

func newPace(l *Limits) *pace { return &pace{lines.Bucket{Rate: l.Rate, Burst: l.Burst}} }

// keep notes that the client got lines of that cost, and waits until it may have more.
// It reports whether that took time.
func (p *pace) keep(ctx context.Context, cost int) (late bool, err error) {
	p.bucket.Pay(cost)
	pause := p.bucket.Wait(time.Now())
	if pause == 0 {
		return false, nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	return true, await(ctx, timer.C)
}

// await waits for an element of c. Its error is the cause of ctx if that ends before.
func await[T any](ctx context.Context, c <-chan T) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
