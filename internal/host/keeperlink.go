package host

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/cgroup"
	"albatross/internal/keeper"
)

// Patience with the keeper.
const (
	keeperTime  = 10 * time.Second       // for an answer
	keeperRetry = 100 * time.Millisecond // between attempts to connect
)

// keeperLink is the connection to the keeper, made anew when it breaks.
type keeperLink struct {
	h    *Host
	path string
	done chan struct{}

	mu     sync.Mutex
	client *keeper.Client // guarded by mu; nil while there is none
}

// connectKeeper connects for the first time. The exits that the keeper remembers
// are not asked for yet: adopt takes stock first.
func (h *Host) connectKeeper(ctx context.Context) (*keeperLink, error) {
	l := &keeperLink{h: h, path: h.cfg.Tmp.Keeper(), done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, keeperTime)
	defer cancel()
	for {
		c, err := keeper.Dial(ctx, l.path, h.exited)
		if err == nil {
			l.client = c
			return l, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: start albatross-keeper first", err)
		case <-time.After(keeperRetry):
		}
	}
}

// watch waits for the connection to break, and mends it: a keeper that is gone
// has taken its processes with it. A new connection is used by others only once
// stock was taken, so that no start comes in between.
func (l *keeperLink) watch(c *keeper.Client) {
	defer close(l.done)
	for {
		<-c.Done()
		l.set(nil)
		if l.h.ctx.Err() != nil {
			return
		}
		l.h.log.Error("the keeper is gone; waiting for it")
		for {
			if c = l.reconnect(); c == nil {
				return
			}
			err := l.h.takeStock(c)
			if err == nil {
				break
			}
			l.h.log.Error("cannot take over from the keeper that came back; trying on", "error", err)
			_ = c.Close() // try again
		}
	}
}

func (l *keeperLink) reconnect() *keeper.Client {
	for {
		select {
		case <-l.h.ctx.Done():
			return nil
		case <-time.After(keeperRetry):
		}
		if c, err := keeper.Dial(l.h.ctx, l.path, l.h.exited); err == nil {
			return c
		}
	}
}

func (l *keeperLink) set(c *keeper.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = c
}

func (l *keeperLink) get() (*keeper.Client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		return nil, api.Errorf(api.Unavailable, "albatross-keeper does not answer").
			Hinted("it is started again by itself; look at its log if this stays")
	}
	return l.client, nil
}

// start has the link watched, once the tables of the host are filled: what it
// finds after a break is compared with them.
func (l *keeperLink) start() {
	c := l.client
	go l.watch(c)
}

// close ends the connection. The host's context has ended.
func (l *keeperLink) close() {
	for {
		if c, err := l.get(); err == nil {
			_ = c.Close()
		}
		select {
		case <-l.done:
			return
		case <-time.After(keeperRetry): // a new connection may just have been made
		}
	}
}

// spawn starts the process of r in a group, or in none. An answer of a keeper that is gone by now is an
// error: whether r was among what was lost cannot be told any more.
func (l *keeperLink) spawn(ctx context.Context, r *run, g *cgroup.Group, s keeper.Spawn, fds []int) error {
	c, err := l.get()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keeperTime)
	defer cancel()
	p, err := l.h.spawnIn(ctx, c, g, s, fds)
	if err != nil {
		return err
	}
	l.h.mu.Lock()
	r.process = p
	l.h.mu.Unlock()
	if now, err := l.get(); err != nil || now != c {
		return keeper.ErrClosed
	}
	return nil
}

func (l *keeperLink) signal(ctx context.Context, id string, sig syscall.Signal, why keeper.Purpose) error {
	c, err := l.get()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keeperTime)
	defer cancel()
	return c.Signal(ctx, id, sig, why)
}

func (l *keeperLink) forget(ctx context.Context, id string) error {
	c, err := l.get()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keeperTime)
	defer cancel()
	return c.Forget(ctx, id)
}

// takeStock compares the runs with what a new connection's keeper has, and has
// others use the connection. A run that the keeper does not know has died with
// the one before; one that is being started is the starter's to look after; a
// process that is nobody's is stopped.
func (h *Host) takeStock(c *keeper.Client) error {
	ctx, cancel := context.WithTimeout(h.ctx, keeperTime)
	defer cancel()
	has, err := c.List(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, p := range has {
		known[p.ID] = true
	}
	h.mu.Lock()
	lost := map[*run]keeper.Process{}
	for id, r := range h.runs {
		if !known[id] && r.process.PID != 0 {
			lost[r] = r.process
		}
	}
	h.mu.Unlock()
	if err := c.Watch(ctx); err != nil {
		return err
	}
	h.keeper.set(c)
	for r, p := range lost {
		p.Ended, p.Status = time.Now().UTC(), syscall.WaitStatus(syscall.SIGKILL)
		p.Ran = max(0, p.Ended.Sub(p.Started)) // who has measured it is gone
		h.end(r, p, true)
	}
	h.do(func() { h.removeStrays(has, false) })
	return nil
}
