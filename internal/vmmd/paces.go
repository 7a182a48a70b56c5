package vmmd

import (
	"context"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/pki"
)

// paces makes those who give very many commands wait, the root CA and each of its
// delegations for itself: the audit log, which has them all, must last for a while.
// The zero value is ready.
type paces struct {
	mu      sync.Mutex
	due     map[pki.Digest]time.Time // guarded by mu; when a bucket that leaks is empty
	waiting map[pki.Digest]int       // guarded by mu; commands
}

// A delegation may give so many commands at once, and then one each so often; what the
// root CA signs itself may come ten times as fast. Of each so many may wait, since all
// share the connections that there may be, and then further ones are refused.
const (
	paceAtOnce  = 300
	pacePause   = 100 * time.Millisecond
	rootPause   = pacePause / 10
	paceBurst   = paceAtOnce * pacePause
	mostWaiting = 64
)

// paceOf returns whose commands those of a chain count as, and the time between two.
func paceOf(a *pki.Authority) (key pki.Digest, pause time.Duration) {
	if key, ok := top(a); ok {
		return key, pacePause
	}
	return a.Chain[len(a.Chain)-1].Issuer, rootPause
}

// top returns the key of the CA that the root CA signed and that a chain goes
// through; false if the root signed the command itself.
func top(a *pki.Authority) (key pki.Digest, ok bool) {
	if len(a.Chain) < 2 {
		return key, false
	}
	return a.Chain[len(a.Chain)-2].Issuer, true
}

// wait waits until a command of a may be obeyed, or ctx ends.
func (p *paces) wait(ctx context.Context, a *pki.Authority) error {
	key, pause := paceOf(a)
	due, leave, err := p.reserve(time.Now(), key, pause)
	if err != nil || due <= 0 {
		return err
	}
	defer leave()
	timer := time.NewTimer(due)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reserve counts a command and returns how long it has to wait, and, if it has to,
// what to call once it has.
func (p *paces) reserve(now time.Time, key pki.Digest, pause time.Duration) (due time.Duration, leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due == nil {
		p.due, p.waiting = map[pki.Digest]time.Time{}, map[pki.Digest]int{}
	}
	for k, empty := range p.due { // there are as many as the root CA has delegated to
		if empty.Before(now) {
			delete(p.due, k)
		}
	}
	empty, ok := p.due[key]
	if !ok {
		empty = now
	}
	empty = empty.Add(pause)
	if due = empty.Sub(now) - paceBurst; due <= 0 {
		p.due[key] = empty
		return due, nil, nil
	}
	if p.waiting[key] >= mostWaiting {
		return 0, nil, api.Errorf(api.Unavailable, "%d commands of this delegation wait to be obeyed already", mostWaiting).
			Hinted("give fewer at a time")
	}
	p.due[key] = empty
	p.waiting[key]++
	return due, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.waiting[key]--; p.waiting[key] == 0 {
			delete(p.waiting, key)
		}
	}, nil
}
