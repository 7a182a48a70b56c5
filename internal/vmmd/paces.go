package vmmd

import (
	"context"
	"sync"
	"time"

	"albatross/internal/pki"
)

// paces makes those who give very many commands wait, each delegation of the root
// CA for itself: the audit log, which has them all, must last for a while. The
// zero value is ready.
type paces struct {
	mu  sync.Mutex
	due map[pki.Digest]time.Time // guarded by mu; when a bucket that leaks is empty
}

// A delegation may give so many commands at once, and then one each so often.
const (
	paceAtOnce = 300
	pacePause  = 100 * time.Millisecond
)

// top returns the key of the CA that the root CA signed and that a chain goes
// through; false if the root signed the command itself.
func top(a *pki.Authority) (key pki.Digest, ok bool) {
	if len(a.Chain) < 2 {
		return key, false
	}
	return a.Chain[len(a.Chain)-2].Issuer, true
}

// wait waits until a command of a delegation may be obeyed, or ctx ends.
func (p *paces) wait(ctx context.Context, key pki.Digest, limited bool) error {
	pause := p.reserve(time.Now(), key, limited)
	if pause <= 0 {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reserve counts a command and returns how long it has to wait.
func (p *paces) reserve(now time.Time, key pki.Digest, limited bool) time.Duration {
	if !limited {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due == nil {
		p.due = map[pki.Digest]time.Time{}
	}
	for k, due := range p.due { // there are as many as the root CA has delegated to
		if due.Before(now) {
			delete(p.due, k)
		}
	}
	due, ok := p.due[key]
	if !ok {
		due = now
	}
	due = due.Add(pacePause)
	p.due[key] = due
	return due.Sub(now) - paceAtOnce*pacePause
}
