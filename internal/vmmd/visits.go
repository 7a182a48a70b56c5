package vmmd

import (
	"context"
	"errors"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/pki"
)

// errRevoked ends a visit whose certificates were revoked while it lasted.
var errRevoked = errors.New("a certificate of the chain was revoked meanwhile")

// errExpired ends one whose authority has expired. The leaf may: it said what to
// begin, and when.
var errExpired = errors.New("a certificate of the chain has expired meanwhile")

// visits are the commands from afar that are under way. The zero value is ready.
type visits struct {
	mu  sync.Mutex
	all map[*entry]bool // guarded by mu
}

type entry struct {
	chain []pki.Link
	end   context.CancelCauseFunc
}

// enter adds a visit. Its context ends when its certificates are revoked, or those
// of CAs expire. Leave must be called at its end.
func (s *visits) enter(ctx context.Context, a *pki.Authority) (_ context.Context, leave func()) {
	ctx, end := context.WithCancelCause(ctx)
	e := &entry{a.Chain, end}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*entry]bool{}
	}
	s.all[e] = true
	stop := func() bool { return true }
	if until, ok := authorityEnds(a.Chain); ok {
		stop = time.AfterFunc(time.Until(until), func() { end(errExpired) }).Stop
	}
	return ctx, func() {
		stop()
		end(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, e)
	}
}

// endedEarly returns err, or what ended a visit and so led to it.
func endedEarly(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err != nil && (errors.Is(cause, errRevoked) || errors.Is(cause, errExpired)) {
		return api.Errorf(api.Denied, "%w", cause)
	}
	return err
}

// authorityEnds returns when the first CA of a chain expires, if it has one below
// the root.
func authorityEnds(chain []pki.Link) (until time.Time, ok bool) {
	for _, l := range chain[1:] {
		if !ok || l.NotAfter.Before(until) {
			until, ok = l.NotAfter, true
		}
	}
	return until, ok
}

// end ends the visits whose chains are revoked.
func (s *visits) end(set *pki.CRLs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range s.all {
		if _, gone := set.Revoked(e.chain); gone {
			e.end(errRevoked)
		}
	}
}

// watchRevoked ends visits whose certificates are revoked, until ctx ends.
func (h *RemoteHandler) watchRevoked(ctx context.Context) {
	look := time.NewTicker(revokedPause)
	defer look.Stop()
	known := h.Revoked.Set()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if now := h.Revoked.Set(); now != known {
				known = now
				h.visits.end(now)
			}
		}
	}
}

// revokedPause is how long a visit may go on after its certificates were revoked.
const revokedPause = 200 * time.Millisecond
