package vmmd

import (
	"context"
	"sync"
)

// slots lets mostLarge holders go on at a time. The zero value is ready.
type slots struct {
	once sync.Once
	free chan struct{}
}

// take waits for a slot, and returns how to give it back, which may be called again.
func (s *slots) take(ctx context.Context) (release func(), err error) {
	s.once.Do(func() { s.free = make(chan struct{}, mostLarge) })
	select {
	case s.free <- struct{}{}:
		return sync.OnceFunc(func() { <-s.free }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
