package vmmd

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/pki"
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

// streams lets each delegation of the root CA have a few streams at a time that bring
// images or content: they last as long as their senders like, and all that they bring
// is on the disk meanwhile. The zero value is ready.
type streams struct {
	mu       sync.Mutex
	of       map[pki.Digest]*allotment // guarded by mu; of delegations that have or want some
	patience time.Duration             // how long one waits for another to end; 0: streamTime
}

// allotment is what one delegation has.
type allotment struct {
	taken chan struct{}
	users int // guarded by streams.mu
}

// Streams of one delegation at a time, and how long another one waits, which is less
// than a client does.
const (
	mostStreams = 2
	streamTime  = 20 * time.Second
)

// take waits until a delegation may have another stream, and returns how to give it
// back.
func (s *streams) take(ctx context.Context, key pki.Digest) (release func(), err error) {
	one, leave := s.enter(key)
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.patience, streamTime))
	defer cancel()
	select {
	case one.taken <- struct{}{}:
		return func() { <-one.taken; leave() }, nil
	case <-ctx.Done():
		leave()
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
		return nil, cause
	}
	return nil, api.Errorf(api.Unavailable, "%d images or contents of block devices are on their way from here already, and no more come beside them through one delegation", mostStreams).
		Hinted("try again when one of them is there")
}

// enter returns the allotment of a delegation, which is kept until leave is called.
func (s *streams) enter(key pki.Digest) (_ *allotment, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[pki.Digest]*allotment{}
	}
	one := s.of[key]
	if one == nil {
		one = &allotment{taken: make(chan struct{}, mostStreams)}
		s.of[key] = one
	}
	one.users++
	return one, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(s.of, key)
		}
	}
}
