package console

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"albatross/internal/api"
	"albatross/internal/server"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// mostOfMany is the most lines that a client may count of many consoles.
const mostOfMany = 100_000

// handleConsoles answers with lines of all consoles at and below a path, merged by
// their times, and the end of those that were there, and then with those that come
// if the client wants them.
func (d *Daemon) handleConsoles(ctx context.Context, c *server.Conn, h wire.Header, body []byte) error {
	var want api.ConsolesWanted
	if err := json.Unmarshal(body, &want); err != nil {
		return c.Fail(h, api.Errorf(api.Invalid, "the body of the verb %s: %w", api.VerbConsoles, err))
	}
	if !h.Name.IsPath() {
		return c.Fail(h, api.Errorf(api.Invalid, textName))
	}
	leave, err := d.enter(true)
	if err != nil {
		return c.Fail(h, err)
	}
	defer leave()
	ctx, stop := c.Watch(ctx)
	defer stop()
	pasts := d.pasts(ctx, h.Name.Path(), want)
	if err := sendPasts(ctx, c, pasts); err != nil {
		return err
	}
	if err := replyJSON(c, h, api.History{Known: len(pasts) > 0}); err != nil || !want.Follow {
		return err
	}
	return d.follow(ctx, c, h.Name.Path(), pasts)
}

// pasts returns what is wanted of all consoles at and below a path.
func (d *Daemon) pasts(ctx context.Context, path vm.Path, want api.ConsolesWanted) []*past {
	d.mu.Lock()
	names := d.known(path)
	d.mu.Unlock()
	slices.SortFunc(names, func(a, b vm.Name) int { return cmp.Compare(a.Wire(), b.Wire()) })
	count := min(max(want.Count, 0), mostOfMany)
	var pasts []*past
	for _, n := range names {
		if f := d.feed(n); f != nil { // else it went just now
			p := f.past(n, wire.ConsoleSubscribe{Since: want.Since, Count: count}, false, manyChunk)
			p.seek(ctx)
			pasts = append(pasts, p)
		}
	}
	if want.Since == nil {
		lessen(ctx, pasts, count)
	}
	return pasts
}

// lessen leaves the newest count lines of all.
func lessen(ctx context.Context, pasts []*past, count int) {
	all := newest{most: count}
	for i, p := range pasts {
		seen := *p // which stays where it is
		for _, line := range seen.lines(ctx) {
			all.add(lineTime{line.Time.UnixMilli(), i})
		}
	}
	for i, n := range all.counts(len(pasts)) {
		pasts[i].from = max(pasts[i].from, pasts[i].until-n)
	}
}

// sendPasts sends what is wanted.
func sendPasts(ctx context.Context, c *server.Conn, pasts []*past) error {
	var all []told
	for _, p := range pasts {
		if p.from < p.until {
			all = append(all, told{newTeller(c, p.name), p.lines(ctx)})
		}
	}
	return c.Send(merge(all))
}

// group is a client that follows all consoles at and below a path.
type group struct {
	path  vm.Path
	ready chan struct{} // has an element if there may be lines

	mu      sync.Mutex // guards what follows; comes after feed.mu
	members map[*member]bool
	dirty   []*member // that may have lines
}

// member is a subscriber of one of the consoles of a group.
type member struct {
	*subscriber
	past  *past
	dirty bool // guarded by group.mu
}

// follow sends what comes, and before what came since pasts were taken.
func (d *Daemon) follow(ctx context.Context, c *server.Conn, path vm.Path, pasts []*past) error {
	g := d.newGroup(path, pasts)
	defer d.endGroup(g)
	pace := newPace(&d.limits)
	for late := false; ; {
		ready := g.take(late)
		if err := sendPasts(ctx, c, ready); err != nil {
			return err
		}
		cost := 0
		for _, p := range ready {
			cost += p.cost
			p.cost = 0
		}
		var err error
		if late, err = pace.keep(ctx, cost); err == nil {
			err = await(ctx, g.ready)
		}
		if err != nil {
			return err
		}
	}
}

// newGroup has a new group join all consoles below a path. Of those that had a past
// it gets what follows.
func (d *Daemon) newGroup(path vm.Path, pasts []*past) *group {
	g := &group{path: path, ready: make(chan struct{}, 1), members: map[*member]bool{}}
	had := map[vm.Name]*past{}
	for _, p := range pasts {
		had[p.name] = p
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.groups[g] = true
	for n, c := range d.consoles {
		if path.Contains(n.Path()) {
			g.add(n, c.feed, had[n])
		}
	}
	return g
}

// endGroup has g leave all consoles.
func (d *Daemon) endGroup(g *group) {
	d.mu.Lock()
	delete(d.groups, g)
	d.mu.Unlock()
	g.mu.Lock()
	all := slices.Collect(maps.Keys(g.members))
	g.mu.Unlock()
	for _, m := range all {
		m.past.feed.unsubscribe(m.subscriber)
	}
}

// add has g join a console. What it got already is before; nil: nothing.
func (g *group) add(n vm.Name, f *feed, before *past) {
	p := &past{name: n, feed: f, chunk: manyChunk, from: f.oldest()}
	if before != nil && f.follows(before.feed) {
		p.from, p.missing = before.from, before.missing
	}
	m := &member{past: p}
	m.subscriber = &subscriber{many: true, wake: func() { g.wake(m) }, end: func() { g.drop(m) }}
	g.mu.Lock()
	g.members[m] = true
	g.mu.Unlock()
	f.subscribe(m.subscriber)
	g.wake(m) // there may be lines already
}

// wake notes that m has lines.
func (g *group) wake(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.dirty {
		return
	}
	m.dirty = true
	g.dirty = append(g.dirty, m)
	poke(g.ready)
}

// drop forgets m, whose console goes.
func (g *group) drop(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.members, m)
}

// take returns what there is of those consoles that have new lines, in the order of
// their names.
func (g *group) take(quick bool) []*past {
	g.mu.Lock()
	dirty := g.dirty
	g.dirty = nil
	for _, m := range dirty {
		m.dirty = false
	}
	g.mu.Unlock()
	pasts := make([]*past, len(dirty))
	for i, m := range dirty {
		pasts[i] = m.past
		m.past.until, m.past.quick = m.past.feed.now(), quick
	}
	slices.SortFunc(pasts, func(a, b *past) int { return cmp.Compare(a.name.Wire(), b.name.Wire()) })
	return pasts
}
